"""Feedback alignment: backpropagation whose errors travel by fixed random weights.

Lillicrap et al. (arXiv 1411.0247). dL/dW is exact, but a layer gives the one before it B^T dL/dy
in place of W^T dL/dy, with B of the shape of W, drawn once. Labels are seen by the loss of the
head alone; a block waits for the forward pass of all blocks and the backward pass of later ones.

What had to be inferred: B is Gaussian, with the spread of the initial W times `feedback`; the
head has one too. Convolutions and the dense layers of attention have theirs (as in
arXiv 2108.13446); norms keep exact gradients, gains included (svp_core/feedback/layers.py).
"""

import torch
from torch import Tensor, nn

from svp_core.config.options import declared, number
from svp_core.feedback.layers import carry_errors
from svp_core.methods.bp import BP
from svp_core.models import Model
from svp_core.seeds import derive
from svp_core.task import Task

OF_BP = declared("methods", "bp")


class Options(OF_BP):
    """Those of bp, and how large the fixed weights are."""

    sampled = ()
    feedback: float = number(
        1.0, "standard deviation of the fixed weights, over that of the initial ones", above=0
    )


class Fixed(nn.Module):
    """W -> B, whatever W has become."""

    def __init__(self, matrix: Tensor):
        super().__init__()
        self.register_buffer("matrix", matrix)

    def forward(self, weight: Tensor) -> Tensor:
        return self.matrix


class FA(BP):
    """The network and the schedules of bp."""

    def __init__(self, model: Model, task: Task, options: Options, recipe, seed: int):
        super().__init__(model, task, options, recipe, seed)

        def fixed(name: str, layer: nn.Module) -> Fixed:
            return Fixed(
                options.feedback * drawn_like(layer.weight, derive(seed, "feedback", name))
            )

        carry_errors(self, fixed)


@torch.no_grad()
def drawn_like(weight: Tensor, seed: int) -> Tensor:
    """Return a Gaussian matrix of the shape and the spread of a weight."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(weight.shape, generator=generator) * weight.std()


build = FA
