"""Bernoulli neurons of values -1 and 1, with the score-function gradient (REINFORCE), unbiased."""

from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.config.options import OptionSet, choice
from svp_core.local.bernoulli import draw, mean


class Options(OptionSet):
    """What losses are compared with."""

    score_baseline: str = choice(
        "leave_one_out", "none",
        meaning="what is taken from the loss of an image: the mean of the others in its batch,"
        " which leaves no bias, or nothing",
    )  # fmt: skip

    def refuse(self, run):
        if self.alignment == "reconstruction":
            yield "neurons: bernoulli_reinforce needs losses of images; reconstruction has none"


class Reinforce(nn.Module):
    """b ~ 2 Bernoulli(sigmoid(phi(h))) - 1; `score` follows log q(b) of the last draw."""

    def __init__(self, options: Options):
        super().__init__()
        self.is_compared = options.score_baseline == "leave_one_out"
        self.log_likelihood: Tensor | None = None  # (B,)

    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return mean(features)
        drawn = draw(features).detach()
        self.log_likelihood = F.logsigmoid(drawn * features).sum(dim=1)
        return drawn

    def score(self, losses: Tensor) -> Tensor:
        """Return 0, with the gradient of the mean of (L_i - b_i) log q(b_i)."""
        signal, count = losses.detach(), len(losses)
        if self.is_compared and count > 1:
            signal = (signal - signal.mean()) * count / (count - 1)
        value = (signal * self.log_likelihood).mean()
        self.log_likelihood = None
        return value - value.detach()


def build(options: Options) -> Reinforce:
    """Return the neurons of one unit."""
    return Reinforce(options)
