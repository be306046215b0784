"""Readout and projection as one matrix, for units whose v is seldom looked at."""

import torch
from torch import Tensor, nn

from svp_core.local.unit import LocalUnit


class Merged:
    """Readout times projection (K, d_i), computed anew when one of them has changed."""

    def __init__(self, unit: LocalUnit, readout: nn.Module):
        self.unit, self.readout = unit, readout
        self.parts, self.versions = [], []
        product = torch.zeros(len(readout.weight), unit.projection.shape[1])
        readout.register_buffer("merged", product, persistent=False)

    def __call__(self) -> Tensor:
        parts, product = [self.readout.weight, self.unit.projection], self.readout.merged
        versions = [one._version for one in parts]  # they count changes in place
        if versions != self.versions or [*map(id, parts)] != [*map(id, self.parts)]:
            self.parts, self.versions = parts, versions
            torch.mm(*parts, out=product)
        return product


def merge(unit: LocalUnit, readout: nn.Module) -> Merged | None:
    """Return the matrix of a readout that is solved for at times, where it has fewer rows than R.

    None for all others, and with noise, which is that of v.
    """
    is_solved = hasattr(readout, "is_due") and hasattr(readout, "weight")
    if not is_solved or unit.projection is None or unit.noise:
        return None
    return Merged(unit, readout) if len(readout.weight) < len(unit.projection) else None
