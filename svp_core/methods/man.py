"""Momentum auxiliary network: a unit is read through an average of the next one, and a rival of it.

Su et al. 2024 (arXiv 2407.05623). Unit i minimises CE(a_i(E_i(h_i) + F_i(h_i)), y): E_i is a moving
average of the next unit's weights, m = 0.995 a step, that nothing trains, F_i a copy of its
architecture with weights of its own, trained with unit i, a_i DGL's mlp-sr. The last unit has the
network's head. Labels go to every unit, and weights, averaged, to the unit before; no errors
travel; a unit's input is a constant, and it is updated before the next one runs.

Inferred: averages follow after all updates of a step; norms in E_i see the current batch; weights
of F_i are drawn by torch's defaults.
"""

from torch import Tensor, nn

from svp_core.config.options import declared, flag, like
from svp_core.greedy import networks
from svp_core.greedy.options import GreedyOptions
from svp_core.greedy.units import Greedy, Place, assembled
from svp_core.local.auxiliaries.ema import Average
from svp_core.local.auxiliaries.fresh import fresh
from svp_core.local.making import grouped
from svp_core.models import Model
from svp_core.shapes import shapes
from svp_core.task import Task

OF_EMA = declared("local/auxiliaries", "ema")


class Options(GreedyOptions):
    """The units, and what they are read through."""

    auxiliary_momentum: float = like(OF_EMA, "auxiliary_momentum")
    learned: bool = flag(True, "the copy F_i beside the average, or the average alone")

    def refuse(self, run):
        yield from super().refuse(run)
        if run.recipe.batch_size == run.recipe.micro_batches:
            yield "learned: batch norm of dense layers compares images of a micro-batch, here one"


class Through(nn.Module):
    """h -> class logits (B, K): the sum of an average and of a copy of the next unit, then a head.

    The copy is None where the average stands alone.
    """

    def __init__(self, average: Average, copy: nn.Module | None, network: nn.Module):
        super().__init__()
        self.average, self.copy, self.network = average, copy, network

    def forward(self, hidden: Tensor) -> Tensor:
        seen = self.average(hidden)
        return self.network(seen if self.copy is None else seen + self.copy(hidden))


class MAN(Greedy):
    """Units whose averages follow after every step."""

    def step(self, images: Tensor, labels: Tensor) -> None:
        super().step(images, labels)
        for network in self.readouts[:-1]:
            network.average.follow()


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> MAN:
    """Group the model's blocks into units; draw their copies and networks."""
    known = shapes(model, task.image_shape)
    following = {group[0]: group for group in grouped(len(model.blocks), options.blocks)}

    def through(at: Place) -> Through:
        group = following[at.group[-1] + 1]
        blocks = model.blocks[group[0] : group[-1] + 1]
        average = Average(list(blocks), options.auxiliary_momentum)
        copy = fresh(blocks, at.seed) if options.learned else None
        return Through(average, copy, networks.mlp_sr(known[group[-1]], task.classes))

    return assembled(MAN, (model, task, options, recipe, seed), through)
