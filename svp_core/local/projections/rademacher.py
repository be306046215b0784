"""Entries +-1/sqrt(columns)."""

import torch
from torch import Generator, Tensor


def draw(rows: int, columns: int, generator: Generator) -> Tensor:
    """Return R (rows, columns)."""
    signs = torch.randint(0, 2, (rows, columns), generator=generator) * 2 - 1
    return signs / columns**0.5
