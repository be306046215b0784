"""SymBa: forward-forward without a threshold, by the difference of goodness between two labels.

Lee & Song 2023 (arXiv 2303.08418). A layer minimises softplus(-alpha (g+ - g-)), g = mean a^2, of
one image with its right and with a random wrong label. Labels, passes, normalisation, predictions
and waiting are those of ff, from which its other choices are inferred; the label stands in the
pixels here, while the authors add a pattern of the class to the image.
"""

from torch import Tensor
from torch.nn import functional as F

from svp_core.config.options import number
from svp_core.goodness.layers import Goodness
from svp_core.goodness.options import GoodnessOptions


class Options(GoodnessOptions):
    """The loss of a layer."""

    alpha: float = number(4.0, "slope of the loss in the difference of goodness", above=0)


class SymBa(Goodness):
    """Layers that compare two labels of an image."""

    def local_loss(self, right: Tensor, wrong: Tensor, place: int) -> Tensor:
        difference = right.square().mean(dim=1) - wrong.square().mean(dim=1)
        return F.softplus(-self.options.alpha * difference).mean()


build = SymBa
