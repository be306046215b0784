"""A local unit: consecutive blocks, and what is read from their last activation."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core import local
from svp_core.config.options import OptionSet


class Reading(NamedTuple):
    """What is read from a unit's activation: phi(h) (B, d_i), v (B, d0), class logits (B, K)."""

    features: Tensor
    projected: Tensor
    logits: Tensor

    def detach(self) -> "Reading":
        """Return the same reading as a constant: sg."""
        return Reading(*(tensor.detach() for tensor in self))


class LocalUnit(nn.Module):
    """Blocks, and the fixed projection of their last activation, or of an auxiliary network's."""

    def __init__(
        self,
        blocks: list[nn.Module],
        auxiliary: nn.Module | None,
        reduce: Callable[[Tensor], Tensor],
        projection: Tensor | None,
        options: OptionSet,
    ):
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.auxiliary = auxiliary
        self.reduce = reduce
        self.neurons = local.load("neurons", options.neurons).build(options)
        self.register_buffer("projection", projection)  # (d0, d_i), None for the identity
        self.scale, self.dropout, self.noise = options.scale, options.dropout, options.noise

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the activation h_i, phi(h_i) (B, d_i) and v_i (B, d0)."""
        hidden = self.blocks(hidden)
        features = self.reduce(self.seen(hidden))
        if self.neurons is not None:
            features = self.neurons(features)
        kept = F.dropout(features, self.dropout, self.training) if self.dropout else features
        return hidden, features, self.project(kept)

    def project(self, kept: Tensor) -> Tensor:
        """Return v_i (B, d0) of what dropout has left of phi(h_i) (B, d_i)."""
        if self.projection is None:
            projected = self.scale * kept
        else:
            projected = F.linear(kept, self.projection)
        if self.noise and self.training:
            projected = projected + self.noise * torch.randn_like(projected)
        return projected

    def seen(self, hidden: Tensor) -> Tensor:
        """Return what phi is taken of: the activation, or what an auxiliary network makes of it."""
        return hidden if self.auxiliary is None else self.auxiliary(hidden)


def parameters_of(
    units: list[LocalUnit], readouts: list[nn.Module]
) -> tuple[list[list[nn.Parameter]], list[list[nn.Parameter]]]:
    """Return the parameters of every unit with its own readout, and of shared readouts."""
    uses = Counter(readouts)
    own = [
        [*unit.parameters(), *(readout.parameters() if uses[readout] == 1 else ())]
        for unit, readout in zip(units, readouts, strict=True)
    ]
    common = [list(readout.parameters()) for readout, count in uses.items() if count > 1]
    return own, [group for group in common if group]
