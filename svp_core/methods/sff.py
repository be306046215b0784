"""Scalable forward-forward: every unit has a small convolutional classifier of its own.

Krutsylo 2025 (arXiv 2501.03176). Unit i minimises the cross-entropy of an auxiliary network of its
activation: 5x5 convolution, norm over channels, ReLU, average over the map, linear head; the
network predicts by the mean of all units' logits. Labels go to every unit; no errors and no weights
travel; a unit's input is a constant, and it is updated before the next one runs.

What had to be inferred: tokens and vectors have a dense layer in place of the convolution, and
tokens are averaged; units are blocks of the suite's models.
"""

import torch
from torch import Tensor, nn

from svp_core.config.options import choice, declared, integer, like
from svp_core.greedy.options import GreedyOptions
from svp_core.greedy.units import Auxiliary
from svp_core.local.making import grouped, inference_rules
from svp_core.methods.bp import head
from svp_core.methods.predsim import Unit
from svp_core.models import Model
from svp_core.seeds import derive
from svp_core.shapes import shapes
from svp_core.task import Task

OF_SVP = declared("methods", "svp")


class Options(GreedyOptions):
    """The units, and how they predict together."""

    kernel: int = integer(5, "side of the auxiliary convolution; an odd number", at_least=1)
    update: str = like(OF_SVP, "update")
    inference: str = choice(
        "mean", "last", meaning="softmax of the mean of all units' logits, or of those of the last"
    )

    def refuse(self, run):
        yield from super().refuse(run)
        if self.kernel % 2 == 0:
            yield f"kernel: {self.kernel} is even; a map would change its size"


class Classifier(nn.Module):
    """h, a map, tokens or a vector, -> class logits (B, K)."""

    def __init__(self, shape: tuple[int, ...], kernel: int, classes: int, seed: int):
        super().__init__()
        self.is_map = len(shape) == 3  # (C, H, W); tokens are (T, d)
        width = shape[0] if self.is_map else shape[-1]
        self.layer = (
            nn.Conv2d(width, width, kernel, padding=kernel // 2)
            if self.is_map
            else nn.Linear(width, width)
        )
        self.norm, self.linear = nn.LayerNorm(width), head(width, classes, seed)

    def forward(self, hidden: Tensor) -> Tensor:
        found = self.layer(hidden)
        places = found.flatten(2).transpose(1, 2) if self.is_map else found
        active = self.norm(places).relu()
        return self.linear(active.mean(dim=1) if active.dim() == 3 else active)


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> Auxiliary:
    """Group the model's blocks into units; draw their auxiliary networks."""
    blocks, known = list(model.blocks), shapes(model, task.image_shape)
    units, classifiers = [], []
    for group in grouped(len(blocks), options.blocks):
        units.append(Unit([blocks[i] for i in group], model.reduce, None))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "auxiliary", group[0]))
            shape, own = known[group[-1]], derive(seed, "head", group[0])
            classifiers.append(Classifier(shape, options.kernel, task.classes, own))
    return Auxiliary(units, classifiers, [], inference_rules([], task, options), options, recipe)
