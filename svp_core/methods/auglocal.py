"""AugLocal: a unit is read through blocks like those that follow it, with weights of its own.

Ma et al. 2024 (arXiv 2402.17318). Of L blocks, block l minimises the cross-entropy of an auxiliary
network of d_l blocks, of the architecture of the following blocks l + round(j (L - l) / d_l),
j = 1..d_l, and a linear head of phi; the last d + 1 blocks are one unit with the network's head.
d_l falls linearly from d to (1 - tau) d + tau. A picked block has stride 2, or a pooling, where its
channels are more than before. Labels go to every unit, no errors and no weights travel; a unit is
updated before the next one runs.

What differs from the authors: phi in place of an average over the whole map, and no batch norm of
it. Inferred: in the formula of d_l units count from 0, and halves are rounded to even.
"""

from torch import nn

from svp_core import models
from svp_core.config.options import integer, number
from svp_core.greedy.borrowed import borrowed
from svp_core.greedy.options import GreedyOptions
from svp_core.greedy.units import Greedy, Head, Place, assembled
from svp_core.methods.bp import head
from svp_core.models import Model
from svp_core.shapes import shapes
from svp_core.task import Task


class Options(GreedyOptions):
    """How deep the auxiliary networks are."""

    models = ("cnn", "mlp", "resnet", "vit")
    auxiliary_depth: int = integer(1, "d, blocks of the first auxiliary network", at_least=1)
    pyramid: float = number(
        0.5, "tau, part of the depth that the last auxiliary network lacks", at_least=0, below=1
    )
    blocks = 1  # no option: only the last unit has more

    def reach(self, depth):
        return self.auxiliary_depth + 1 if depth is None else min(self.auxiliary_depth + 1, depth)

    def refuse(self, run):
        depth = run.model.block_count
        if depth and self.auxiliary_depth >= depth:
            yield f"auxiliary_depth: {self.auxiliary_depth} is not below depth {depth}"


def depths(units: int, first: int, pyramid: float) -> list[int]:
    """Return the depths of the auxiliary networks of all units but the last, which has none."""
    steps = max(units - 2, 1)
    parts = [pyramid * place / steps for place in range(units - 1)]
    return [max(1, round(first * (1 - part) + part)) for part in parts]


def picked(place: int, depth: int, count: int) -> list[int]:
    """Return the places of the blocks that an auxiliary network is modelled on, of `count`."""
    depth = min(depth, count - 1 - place)
    return [place + round(j * (count - 1 - place) / depth) for j in range(1, depth + 1)]


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> Greedy:
    """Make a unit of every block but the last d + 1; draw their auxiliary networks."""
    count, known = len(model.blocks), shapes(model, task.image_shape)
    alone = count - options.auxiliary_depth - 1
    known_depths = depths(alone + 1, options.auxiliary_depth, options.pyramid)

    def network(at: Place) -> nn.Sequential:
        layers, shape = [], at.shape
        for place in picked(at.group[-1], known_depths[at.group[-1]], count):
            layers.append(borrowed(model.blocks[place], shape, known[place]))
            shape = known[place]
        width = models.of_blocks(layers, None, model.reduce, at.shape).widths[-1]
        return nn.Sequential(*layers, Head(model.reduce, head(width, task.classes, at.seed)))

    groups = [*(range(i, i + 1) for i in range(alone)), range(alone, count)]
    return assembled(Greedy, (model, task, options, recipe, seed), network, groups=groups)
