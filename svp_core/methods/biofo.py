"""Bio-FO: every layer is trained by the cross-entropy of a frozen random head of its own.

Huang & Aminifar 2025 (MLSys; code whubaichuan/Bio-FO). Unit i minimises CE(W_i h_i + b_i, y) over
its own weights alone: W_i, b_i are drawn once. Of maps they are torch's initial ones of a linear
layer on the whole map; of vectors b = 0 and W is 1 or -1, each with probability 1/6, or else 0.
Labels go to every unit, no errors and no weights travel; a unit is updated before the next one
runs; the last head predicts.

What differs from the authors: they train one layer after another, 100 epochs each, here all train
together, in the epochs of the others; vectors above maps (vgg) have the frozen head of vectors.
"""

from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.greedy.options import GreedyOptions
from svp_core.greedy.units import Greedy, Place, assembled
from svp_core.models import Model
from svp_core.task import Task


class Options(GreedyOptions):
    """None but the units."""

    models = ("cnn", "mlp", "vgg")


class Frozen(nn.Module):
    """h -> class logits (B, K): a linear layer of all of h that nothing trains."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden.flatten(1), self.weight, self.bias)


def frozen(at: Place, classes: int) -> Frozen:
    """Return the head of a unit."""
    features = prod(at.shape)
    if len(at.shape) == 3:
        layer = nn.Linear(features, classes)
        return Frozen(layer.weight.detach(), layer.bias.detach())
    drawn = torch.rand(classes, features)
    return Frozen((drawn < 1 / 6).float() - (drawn > 5 / 6).float(), None)


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> Greedy:
    """Group the model's blocks into units; draw their heads."""

    def make(at):
        return frozen(at, task.classes)

    return assembled(Greedy, (model, task, options, recipe, seed), make, last=make)
