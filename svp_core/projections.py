"""R_i: fixed random matrices that read an activation, drawn once a run and never trained."""

import torch
from torch import Tensor


def gaussian(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return R (rows, columns) with entries from N(0, 1/columns)."""
    return torch.randn(rows, columns, generator=generator) / columns**0.5


PROJECTIONS = {"gaussian": gaussian}


def draw(name: str, rows: int, columns: int, scale: float, seed: int) -> Tensor:
    """Return tau R (rows, columns) of the named law, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return scale * PROJECTIONS[name](rows, columns, generator)
