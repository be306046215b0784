"""R_i: fixed random matrices that read an activation, drawn once a run and never trained.

Every law has entries of mean 0 and variance 1/columns, so that a reading keeps the scale of the
activation's units: E|R h|^2 = rows/columns |h|^2.
"""

import torch
from torch import Tensor


def gaussian(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return R (rows, columns) with entries from N(0, 1/columns) [the paper's law]."""
    return torch.randn(rows, columns, generator=generator) / columns**0.5


def orthogonal(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return R (rows, columns) with orthonormal rows, uniform over all such; rows <= columns."""
    if rows > columns:
        raise ValueError(f"{rows} rows of {columns} columns cannot be orthonormal")
    basis, triangle = torch.linalg.qr(torch.randn(columns, rows, generator=generator))
    return (basis * triangle.diagonal().sign()).T.contiguous()


def rademacher(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return R (rows, columns) with entries +-1/sqrt(columns)."""
    signs = torch.randint(0, 2, (rows, columns), generator=generator) * 2 - 1
    return signs / columns**0.5


def sparse(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return R (rows, columns), two thirds 0, the rest +-sqrt(3/columns) (Achlioptas 2003)."""
    dice = torch.randint(0, 6, (rows, columns), generator=generator)
    return ((dice == 0).float() - (dice == 5).float()) * (3 / columns) ** 0.5


PROJECTIONS = {
    "gaussian": gaussian,
    "orthogonal": orthogonal,
    "rademacher": rademacher,
    "sparse": sparse,
}


def draw(name: str, rows: int, columns: int, scale: float, seed: int) -> Tensor:
    """Return tau R (rows, columns) of the named law, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return scale * PROJECTIONS[name](rows, columns, generator)
