"""VGG (arXiv 1409.1556) and vgg8b, its 8-layer form in local learning (arXiv 1901.06656).

A block is a 3x3 convolution, with the max pooling that follows it, or a dense layer, each with
ReLU. The first dense layer reads the whole last map; that of vgg11 has 7x7 cells at 224 pixels, as
in torchvision, and one at 32 pixels. There is no dropout.
"""

from itertools import pairwise

from torch import nn

from svp_core.config.options import choice, flag, number, option
from svp_core.pooling import MapOptions

# channels of the 3x3 convolutions, stage by stage; a 2x2 max pooling ends each stage
LAYOUTS = {
    "vgg8b": ((128, 256), (256, 512), (512,), (512,)),  # arXiv 1901.06656
    # arXiv 1409.1556, table 1: A, B, D, E
    "vgg11": ((64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2),
    "vgg13": ((64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2),
    "vgg16": ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    "vgg19": ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
}


class Options(MapOptions):
    """Sizes."""

    layout: str = choice(
        *LAYOUTS,
        meaning="vgg8b of local learning halves the map 4 times, those of ImageNet 5 times",
    )
    width: float = number(1.0, "factor of the channels of every convolution", above=0)
    norm: bool = flag(True, "batch norm after every convolution")
    classifier: list[int] = option(
        [1024],
        "features of the dense layers before the head; torchvision's vgg11 has [4096, 4096]",
        type="array",
        items={"type": "integer", "minimum": 1},
    )

    @property
    def block_count(self) -> int:
        return sum(map(len, LAYOUTS[self.layout])) + len(self.classifier)

    def refuse(self, run):
        _, height, width = run.image_shape
        halvings = len(LAYOUTS[self.layout])
        if min(height, width) < 2**halvings:
            yield (
                f"layout: {self.layout} halves {halvings} times, which needs images of at least"
                f" {2**halvings} pixels, these have {height}x{width}"
            )


def blocks(image_shape: tuple[int, int, int], options: Options) -> list[nn.Module]:
    """Return the convolutions of the layout, `width` times as wide, and the dense layers."""
    channels, height, image_width = image_shape
    stages, layers = LAYOUTS[options.layout], []
    for stage in stages:
        for position, base in enumerate(stage, start=1):
            after = max(1, round(options.width * base))
            halve = position == len(stage)
            layers.append(convolution(channels, after, options.norm, halve))
            channels = after
    features = channels * (height >> len(stages)) * (image_width >> len(stages))
    return layers + [dense(*widths) for widths in pairwise([features, *options.classifier])]


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
