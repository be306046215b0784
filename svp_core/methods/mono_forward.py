"""Mono-Forward: a layer's goodness for every class is a trained projection of its activation.

Li, Gong & Abdulla 2025 (arXiv 2501.09238). Unit i minimises CE(G_i, y) with G_i = h_i M_i^T, M_i
(K, features) trained with it, no bias, h_i the activation after ReLU and pooling, all of it. Its
input is a constant; labels go to every unit, no errors and no weights travel; a unit is updated
before the next one runs. The network predicts by the G of the last unit, or the mean of all.

What differs from the authors: their convolutional layers each end with an average pooling of 2x2.
"""

from math import prod

from torch import nn

from svp_core.greedy.options import GreedyOptions
from svp_core.greedy.units import Greedy, assembled
from svp_core.models import Model
from svp_core.task import Task


class Options(GreedyOptions):
    """None but the units."""

    models = ("cnn", "mlp", "vgg")


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> Greedy:
    """Group the model's blocks into units; draw their M."""

    def projection(at):
        return nn.Sequential(nn.Flatten(), nn.Linear(prod(at.shape), task.classes, bias=False))

    return assembled(Greedy, (model, task, options, recipe, seed), projection, last=projection)
