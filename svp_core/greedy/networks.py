"""Auxiliary networks of activations: maps (C, H, W), tokens (T, d) or vectors (d)."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.pooling import avg


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function

    def forward(self, hidden: Tensor) -> Tensor:
        return self.function(hidden)


def conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Return a convolution without bias, batch norm and ReLU; a map keeps its size at stride 1."""
    layer = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    return [layer, nn.BatchNorm2d(channels_out), nn.ReLU()]


def dense(width_in: int, width_out: int) -> list[nn.Module]:
    """Return a dense layer without bias, batch norm and ReLU."""
    return [nn.Linear(width_in, width_out, bias=False), nn.BatchNorm1d(width_out), nn.ReLU()]


def quarter(hidden: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, ceil(H / 4), ceil(W / 4)), averages over cells."""
    return F.avg_pool2d(hidden, 4, ceil_mode=True, count_include_pad=False)


def mlp_sr(shape: torch.Size, classes: int) -> nn.Sequential:
    """Return DGL's network mlp-sr: averages, 1x1 convolutions, 2x2 averages, dense layers.

    Of tokens the average, and of vectors all, goes to the dense layers.
    """
    places, before = 1, [Call(partial(avg, grid=1))]
    if len(shape) == 3:
        convolutions = [layer for _ in range(3) for layer in conv(shape[0], shape[0], 1)]
        before = [Call(quarter), *convolutions, Call(partial(avg, grid=2))]
        places = halves(-(-shape[1] // 4)) * halves(-(-shape[2] // 4))
    width = places * (shape[0] if len(shape) == 3 else shape[-1])
    layers = [layer for _ in range(3) for layer in dense(width, width)]
    return nn.Sequential(*before, *layers, nn.Linear(width, classes))


def halves(side: int) -> int:
    """Return how many cells of at most two a side are averaged over."""
    return min(side, 2)


def cnn(shape: torch.Size, classes: int) -> nn.Sequential:
    """Return DGL's network cnn: two 3x3 convolutions, 2x2 averages, a linear layer."""
    channels, *sides = shape
    width = channels * halves(sides[0]) * halves(sides[1])
    layers = [*conv(channels, channels, 3), *conv(channels, channels, 3)]
    return nn.Sequential(*layers, Call(partial(avg, grid=2)), nn.Linear(width, classes))
