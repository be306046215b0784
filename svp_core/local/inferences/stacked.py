"""Linear discriminant analysis of the v of all units together; nothing is trained by it.

Its moments take half of (sum of d0)^2 numbers, which grow with the square of the depth.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.config.options import OptionSet, integer, number
from svp_core.local.moments import Moments
from svp_core.local.unit import Reading


class Options(OptionSet):
    """How the moments of all v together are kept and used."""

    stack_momentum: float = number(
        0.997, "of the moments of all v together, a step", above=0, below=1
    )
    stack_interval: int = integer(
        1,
        "steps between two batches that they take in, from the 21st on, each for all steps until"
        " the next; 1 takes in all",
        at_least=1,
    )
    stack_shrinkage: float | str = number(
        0.1,
        "lambda of their covariance, in units of its mean variance, or that of oas",
        above=0,
        or_word="oas",
    )


class Stacked(nn.Module):
    """Follows the moments in training; solves when it is asked, and has seen more since."""

    def __init__(self, width: int, classes: int, options: Options):
        super().__init__()
        self.shrinkage = options.stack_shrinkage
        self.moments = Moments(width, classes, options.stack_momentum, options.stack_interval)
        self.solved: tuple[int, Tensor, Tensor] | None = None

    def forward(self, readings: list[Reading]) -> Tensor:
        if self.moments.seen == 0:
            return torch.zeros_like(readings[-1].logits).log_softmax(dim=1)
        if self.solved is None or self.solved[0] != self.moments.seen:
            self.solved = self.moments.seen, *self.moments.discriminant(self.shrinkage)
        joined = torch.cat([one.projected for one in readings], dim=1)  # (B, sum of d0)
        return F.linear(joined, *self.solved[1:]).log_softmax(dim=1)

    @property
    def intervals(self) -> tuple[int, ...]:
        return (self.moments.interval,)

    def is_due(self, share: float) -> bool:
        return self.moments.is_due(share)

    def observe(self, values: list[Tensor | None], labels: Tensor, share: float) -> None:
        joined = torch.cat(values, dim=1) if self.is_due(share) else None
        self.moments.observe(joined, labels, share)

    def train(self, mode: bool = True) -> "Stacked":
        self.solved = None  # moments may have been loaded since
        return super().train(mode)


def build(rows, task, options) -> Stacked:
    """Return the rule, of as many features as all projections have rows."""
    return Stacked(sum(rows), task.classes, options)
