"""Two thirds of the entries 0, the rest +-sqrt(3/columns) (Achlioptas 2003)."""

import torch
from torch import Generator, Tensor


def draw(rows: int, columns: int, generator: Generator) -> Tensor:
    """Return R (rows, columns)."""
    dice = torch.randint(0, 6, (rows, columns), generator=generator)
    return ((dice == 0).float() - (dice == 5).float()) * (3 / columns) ** 0.5
