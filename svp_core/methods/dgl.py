"""Decoupled greedy learning: every unit has a small network of its own, and its cross-entropy.

Belilovsky et al. 2020 (arXiv 1901.08164). Unit i minimises CE(a_i(h_i), y) over its own weights and
those of a_i, which is thrown away at the end; the last unit has the network's head. Labels go to
every unit, no errors and no weights travel; a unit is updated before the next one runs.

a_i is the authors' mlp-sr (averages over cells of 4x4, three 1x1 convolutions, averages of 2x2
places, three dense layers, each with batch norm and ReLU, then a linear layer), or two 3x3
convolutions (cnn). Inferred: of tokens the average, and of vectors all, goes to the dense layers
of mlp-sr; cnn ends with averages of 2x2 places. Not built: units that run asynchronously.
"""

from svp_core.config.options import choice
from svp_core.greedy import networks
from svp_core.greedy.options import GreedyOptions
from svp_core.greedy.units import Greedy, assembled
from svp_core.models import Model
from svp_core.task import Task


class Options(GreedyOptions):
    """The units and their networks."""

    auxiliary: str = choice(
        "mlp_sr", "cnn",
        meaning="network of a unit, mostly dense layers on averages, or 3x3 convolutions",
    )  # fmt: skip

    def refuse(self, run):
        yield from super().refuse(run)
        if self.auxiliary == "cnn" and run.model_name not in ("cnn", "resnet"):
            yield f"auxiliary: cnn sees feature maps, which not all blocks of {run.model_name} have"
        if self.auxiliary == "mlp_sr" and run.recipe.batch_size == run.recipe.micro_batches:
            yield "auxiliary: batch norm of dense layers compares images of a micro-batch, here one"


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> Greedy:
    """Group the model's blocks into units; draw their auxiliary networks."""
    network = {"mlp_sr": networks.mlp_sr, "cnn": networks.cnn}[options.auxiliary]
    setting = (model, task, options, recipe, seed)
    return assembled(Greedy, setting, lambda at: network(at.shape, task.classes))
