"""Sign-symmetric feedback: errors travel by the signs of the weights, not by their sizes.

Liao et al. 2016 (arXiv 1510.05067), scaled as in BioTorch (arXiv 2108.13446): fa with
B = M sign(W), read anew at every backward pass. M is the constant sqrt(2 / (fan in + fan out))
(uSF), or the absolute value of a Gaussian of this standard deviation, drawn once (frSF) or at
every backward pass (brSF). Labels and waiting are those of fa; signs of weights do travel.

What had to be inferred: the law of M in frSF and brSF; norms and the head are as in fa.
"""

import torch
from torch import Tensor, nn

from svp_core.config.options import choice, declared
from svp_core.feedback.layers import carry_errors
from svp_core.methods.bp import BP
from svp_core.models import Model
from svp_core.seeds import derive
from svp_core.task import Task

OF_BP = declared("methods", "bp")


class Options(OF_BP):
    """Those of bp, and what the signs are multiplied by."""

    sampled = ()
    magnitude: str = choice(
        "uniform", "fixed", "drawn",
        meaning="M, one constant a layer (uSF), random and fixed (frSF), or random at every"
        " backward pass (brSF)",
    )  # fmt: skip


class Signs(nn.Module):
    """W -> M sign(W)."""

    def __init__(self, weight: Tensor, magnitude: str, seed: int):
        super().__init__()
        fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(weight)
        self.scale, self.is_drawn = (2 / (fan_in + fan_out)) ** 0.5, magnitude == "drawn"
        fixed = None
        if magnitude == "fixed":
            generator = torch.Generator().manual_seed(seed)
            fixed = torch.randn(weight.shape, generator=generator).abs()
        self.register_buffer("fixed", fixed)

    def forward(self, weight: Tensor) -> Tensor:
        signs = self.scale * weight.sign()
        if self.is_drawn:
            return signs * torch.randn_like(signs).abs()
        return signs if self.fixed is None else signs * self.fixed


class SignSymmetric(BP):
    """The network and the schedules of bp."""

    def __init__(self, model: Model, task: Task, options: Options, recipe, seed: int):
        super().__init__(model, task, options, recipe, seed)

        def signs(name: str, layer: nn.Module) -> Signs:
            return Signs(layer.weight, options.magnitude, derive(seed, "feedback", name))

        carry_errors(self, signs)


build = SignSymmetric
