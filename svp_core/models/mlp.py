"""Multi-layer perceptron: dense layers with ReLU or tanh, one block each."""

from math import prod

from torch import nn

from svp_core.config.options import choice, integer
from svp_core.config.run import ModelOptions

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


class Options(ModelOptions):
    """Sizes."""

    depth: int = integer(3, "layers, one block each", at_least=1)
    width: int = integer(256, "neurons a layer", at_least=1)
    activation: str = choice("relu", "tanh", meaning="what follows every layer")

    @property
    def block_widths(self) -> list[int]:
        return [self.width] * self.depth


def blocks(image_shape: tuple[int, int, int], options: Options) -> list[nn.Module]:
    """Return `depth` layers; the first one flattens the image."""
    width, active = options.width, ACTIVATIONS[options.activation]
    first = nn.Sequential(nn.Flatten(), nn.Linear(prod(image_shape), width), active())
    rest = range(options.depth - 1)
    return [first] + [nn.Sequential(nn.Linear(width, width), active()) for _ in rest]
