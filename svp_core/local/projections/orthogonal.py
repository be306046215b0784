"""Orthonormal rows, uniform over all such matrices."""

import torch
from torch import Generator, Tensor

from svp_core.config.options import OptionSet


class Options(OptionSet):
    """None of its own."""

    def refuse(self, run):
        rows, width = self.d0 or run.classes, min(self.read_widths(run))
        if rows > width:
            yield f"d0: {rows} rows cannot be orthogonal in a width of {width}"


def draw(rows: int, columns: int, generator: Generator) -> Tensor:
    """Return R (rows, columns), rows <= columns."""
    if rows > columns:
        raise ValueError(f"{rows} rows of {columns} columns cannot be orthonormal")
    basis, triangle = torch.linalg.qr(torch.randn(columns, rows, generator=generator))
    return (basis * triangle.diagonal().sign()).T.contiguous()
