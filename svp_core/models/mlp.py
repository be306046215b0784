"""Multi-layer perceptron: dense layers with ReLU, one block each."""

from math import prod

from torch import nn


def blocks(image_shape: tuple[int, int, int], *, depth: int, width: int) -> list[nn.Module]:
    """Return `depth` layers; the first one flattens the image."""
    first = nn.Sequential(nn.Flatten(), nn.Linear(prod(image_shape), width), nn.ReLU())
    return [first] + [nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in range(depth - 1)]
