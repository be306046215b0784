"""How much of v_{i-1} no linear map of v_i tells: early units shall keep what they cannot use yet.

After InfoPro (ICLR 2021), whose units rebuild the image by a trained decoder; here the map is that
of ridge regression on decayed moments, a constant for the gradient, and what is rebuilt is what was
read from the unit before.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.config.options import OptionSet, number
from svp_core.local.moments import Running, ridge_solution
from svp_core.local.unit import Reading

BY = "projected"  # the field of a reading that it compares


class Options(OptionSet):
    """How the moments are kept and used."""

    reconstruction_momentum: float = number(
        0.99, "of the moments of v and the v before, a step", above=0, below=1
    )
    reconstruction_shrinkage: float = number(
        0.1, "ridge, in units of the mean variance of v", above=0
    )


class Reconstruction(Running):
    """E|u - W v|^2 / E|u|^2 of centred u = v_{i-1} and v = v_i, W the ridge regression."""

    def __init__(self, rows: int, targets: int, options: Options):
        super().__init__()
        self.momentum = options.reconstruction_momentum
        self.shrinkage = options.reconstruction_shrinkage
        width = rows + targets
        self.rows = rows
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scatter", torch.zeros(width, width))
        self.register_buffer("weight", torch.zeros(targets, rows))

    @torch.no_grad()
    def observe(self, reading: Reading, previous: Reading, share: float) -> None:
        """Take in v (B, d0) and the v before (B, d0'), a share of a step; solve anew."""
        both = torch.cat([reading.projected, previous.projected], dim=1)
        fresh = 1 - self.momentum**share if self.seen else 1.0
        self.seen += 1
        self.mean.lerp_(both.mean(dim=0), fresh)
        centred = both - self.mean
        self.scatter.lerp_(centred.T @ centred / len(both), fresh)
        own = self.scatter[: self.rows, : self.rows].double().clone()
        ridge = self.shrinkage * own.diagonal().mean() + torch.finfo(both.dtype).tiny
        across = self.scatter[: self.rows, self.rows :].double()
        self.weight.copy_(ridge_solution(own, ridge, across).T)

    def forward(self, reading: Reading, previous: Reading) -> Tensor:
        value, target = reading.projected, previous.projected
        target = target - self.mean[self.rows :]
        rebuilt = F.linear(value - self.mean[: self.rows], self.weight)
        return (target - rebuilt).square().sum() / target.square().sum()


def build(rows: list[int], options: Options) -> list[nn.Module]:
    """Return one a unit; the first unit's, which has none before it, is never called."""
    pairs = zip(rows, [rows[0], *rows[:-1]], strict=True)
    return [Reconstruction(own, before, options) for own, before in pairs]
