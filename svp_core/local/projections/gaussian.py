"""Entries from N(0, 1/columns): the paper's law."""

import torch
from torch import Generator, Tensor


def draw(rows: int, columns: int, generator: Generator) -> Tensor:
    """Return R (rows, columns)."""
    return torch.randn(rows, columns, generator=generator) / columns**0.5
