"""VGG (arXiv 1409.1556) and vgg8b, its 8-layer form in local learning (arXiv 1901.06656).

A block is a 3x3 convolution, with the max pooling that follows it, or a dense layer, each with
ReLU. The first dense layer reads the whole last map; that of vgg11 has 7x7 cells at 224 pixels, as
in torchvision, and one at 32 pixels. There is no dropout.
"""

from itertools import pairwise

from torch import nn

from svp_core import layouts


def blocks(
    image_shape: tuple[int, int, int],
    *,
    layout: str,
    width: float,
    norm: bool,
    classifier: list[int],
) -> list[nn.Module]:
    """Return the convolutions of the layout, `width` times as wide, and the dense layers."""
    channels, height, image_width = image_shape
    stages, layers = layouts.VGG[layout], []
    for stage in stages:
        for position, base in enumerate(stage, start=1):
            after = max(1, round(width * base))
            layers.append(convolution(channels, after, norm, halve=position == len(stage)))
            channels = after
    features = channels * (height >> len(stages)) * (image_width >> len(stages))
    return layers + [dense(*widths) for widths in pairwise([features, *classifier])]


def convolution(channels_in: int, channels_out: int, norm: bool, halve: bool) -> nn.Sequential:
    layers = [he(nn.Conv2d(channels_in, channels_out, 3, padding=1))]
    layers += [nn.BatchNorm2d(channels_out)] if norm else []
    layers += [nn.ReLU()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if halve else []))


def dense(width_in: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), he(nn.Linear(width_in, width_out)), nn.ReLU())


def he(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    # by the fan in: activations keep their size through the depth also without batch norm
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer
