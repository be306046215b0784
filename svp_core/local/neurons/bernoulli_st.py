"""Bernoulli neurons of values -1 and 1, with the straight-through gradient of their mean."""

from torch import Tensor, nn

from svp_core.config.options import OptionSet, choice
from svp_core.local.bernoulli import draw, mean


class Options(OptionSet):
    """What a draw's derivative is taken to be."""

    slope: str = choice(
        "mean", "identity",
        meaning="derivative of a draw with respect to phi(h): that of its mean tanh(phi(h) / 2), or"
        " 1",
    )  # fmt: skip


class StraightThrough(nn.Module):
    """b ~ 2 Bernoulli(sigmoid(phi(h))) - 1, as if it were its mean, or phi(h), to the gradient."""

    def __init__(self, options: Options):
        super().__init__()
        self.is_mean = options.slope == "mean"

    def forward(self, features: Tensor) -> Tensor:
        middle = mean(features)
        if not self.training:
            return middle
        carrier = middle if self.is_mean else features
        return carrier + (draw(features) - carrier).detach()


def build(options: Options) -> StraightThrough:
    """Return the neurons of one unit."""
    return StraightThrough(options)
