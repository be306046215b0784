"""Bayes' rule for Gaussian classes of one covariance (linear discriminant analysis), untrained.

Every unit follows the moments of its own v and solves for its K x d0 weights; for the gradient they
are constants; a choice of this suite, not of the paper.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.config.options import OptionSet, integer, number
from svp_core.local.moments import FIRST, Moments, is_due


class Options(OptionSet):
    """How moments are kept and used."""

    momentum: float = number(
        0.997, "of the moments of v, a step; large values remember longer", above=0, below=1
    )
    shrinkage: float | str = number(
        0.3,
        "lambda; the covariance of v gets this multiple of the identity, in units of its mean"
        " variance; oas finds the mixture of both from the moments",
        above=0,
        or_word="oas",
    )
    interval: int = integer(4, "steps between two solutions, from the 21st on", at_least=1)
    moments_interval: int = integer(
        1,
        "steps between two batches that the moments take in, from the 21st on, each for all steps"
        " until the next; 1 takes in all",
        at_least=1,
    )
    warmup: int = integer(0, "steps before the first solution; until then the unit learns nothing")


class Discriminant(nn.Module):
    """A readout that is solved for, from moments, in training; nothing of it has a gradient."""

    Moments = Moments

    def __init__(self, rows: int, classes: int, options: Options):
        super().__init__()
        self.shrinkage, self.interval = options.shrinkage, options.interval
        self.warmup, first = options.warmup, options.warmup + FIRST
        rhythm = options.moments_interval, first
        self.moments = self.Moments(rows, classes, options.momentum, *rhythm)

    def forward(self, projected: Tensor) -> Tensor:
        with torch.autocast(projected.device.type, enabled=False):
            return self.score(projected.to(self.moments.scatter.dtype))

    @property
    def intervals(self) -> tuple[int, ...]:
        return self.interval, self.moments.interval

    def is_due(self, share: float) -> bool:
        """Whether `observe` will look at v."""
        return self.moments.is_due(share)

    def observe(self, projected: Tensor | None, labels: Tensor, share: float) -> None:
        """Take in v (B, d0), a share of a step; solve at the first share of a step that is due."""
        step, part = divmod(self.moments.seen, round(1 / share))
        self.moments.observe(projected, labels, share)
        is_first = part == 0 and step >= self.warmup
        if is_first and is_due(step, self.interval, self.moments.first):
            self.solve()

    def score(self, projected: Tensor) -> Tensor:
        """Return logits (B, K) of v (B, d0)."""
        raise NotImplementedError

    def solve(self) -> None:
        """Renew what `score` uses, by the moments."""
        raise NotImplementedError


class LDA(Discriminant):
    """logits_k = v' A^-1 mu_k - mu_k' A^-1 mu_k / 2 + log pi_k."""

    def __init__(self, rows: int, classes: int, options: Options):
        super().__init__(rows, classes, options)
        self.register_buffer("weight", torch.zeros(classes, rows))
        self.register_buffer("bias", torch.zeros(classes))

    def score(self, projected: Tensor) -> Tensor:
        return F.linear(projected, self.weight, self.bias)

    def solve(self) -> None:
        weight, bias = self.moments.discriminant(self.shrinkage)
        self.weight.copy_(weight)
        self.bias.copy_(bias)


def build(rows, task, options, seed) -> list[nn.Module]:
    """Return a readout a unit."""
    return [LDA(d0, task.classes, options) for d0 in rows]
