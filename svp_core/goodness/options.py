"""Options of goodness, which are read without torch."""

from math import prod

from svp_core.config.options import choice, number
from svp_core.config.run import MethodOptions


class GoodnessOptions(MethodOptions):
    """What methods of goodness have in common: labels in images, and predictions."""

    models = ("mlp",)
    blocks = 1  # no option: how many blocks one loss trains
    label: float = number(1.0, "value of the pixel that stands for the label", above=0)
    inference: str = choice(
        "probe", "goodness",
        meaning="by a linear probe of the layers above the first, of an image with a neutral"
        " label, or by the label of their largest summed goodness, which takes a pass a class",
    )  # fmt: skip
    probe_rate: float = number(1.0, "learning rate of the probe, over the recipe's", above=0)

    def refuse(self, run):
        if run.model.block_count == 1:
            yield "inference: both rules read the layers above the first, and there is one"
        if run.model.activation != "relu":
            yield f"inference: goodness is of ReLU layers, not of {run.model.activation}"
        if prod(run.image_shape) < run.classes:
            yield f"label: {run.classes} classes do not fit into {prod(run.image_shape)} pixels"
        if run.recipe.micro_batches > 1:
            yield "label: a batch passes with two labels as a whole; set recipe.micro_batches to 1"
