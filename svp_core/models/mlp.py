"""Multi-layer perceptron: dense layers with ReLU, one block each."""

from math import prod

from torch import nn

from svp_core.config.options import integer
from svp_core.config.run import ModelOptions


class Options(ModelOptions):
    """Sizes."""

    depth: int = integer(3, "layers, one block each", at_least=1)
    width: int = integer(256, "neurons a layer", at_least=1)


def blocks(image_shape: tuple[int, int, int], options: Options) -> list[nn.Module]:
    """Return `depth` layers; the first one flattens the image."""
    width = options.width
    first = nn.Sequential(nn.Flatten(), nn.Linear(prod(image_shape), width), nn.ReLU())
    rest = range(options.depth - 1)
    return [first] + [nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in rest]
