"""VGG-like network: a block is a 3x3 convolution, batch norm and ReLU; a stage halves the map."""

from torch import nn


def blocks(
    image_shape: tuple[int, int, int], *, depth: int, width: int, stages: int
) -> list[nn.Module]:
    """Return `depth` convolutions in `stages` groups of width, 2 width, 4 width ... channels."""
    channels, layers, per_stage = image_shape[0], [], depth // stages
    for layer in range(depth):
        stage, position = divmod(layer, per_stage)
        layers.append(block(channels, width * 2**stage, halve=position == per_stage - 1))
        channels = width * 2**stage
    return layers


def block(channels_in: int, channels_out: int, halve: bool) -> nn.Sequential:
    layers = [
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if halve else []))
