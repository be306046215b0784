"""VGG-like network: a block is a 3x3 convolution, batch norm and ReLU; a stage halves the map."""

from torch import nn

from svp_core.config.options import integer
from svp_core.pooling import MapOptions


class Options(MapOptions):
    """Sizes."""

    depth: int = integer(4, "convolutions, one block each; a multiple of stages", at_least=1)
    width: int = integer(32, "channels of the first stage, doubled by every later one", at_least=1)
    stages: int = integer(
        2, "groups of equal resolution; each ends with a 2x2 max pooling", at_least=1
    )

    @property
    def depth_step(self) -> int:
        return self.stages

    def refuse(self, run):
        _, height, width = run.image_shape
        if self.depth % self.stages:
            yield f"depth: {self.depth} is no multiple of stages"
        if min(height, width) < 2**self.stages:
            yield (
                f"stages: {self.stages} halvings need images of at least {2**self.stages} pixels,"
                f" these have {height}x{width}"
            )


def blocks(image_shape: tuple[int, int, int], options: Options) -> list[nn.Module]:
    """Return `depth` convolutions in `stages` groups of width, 2 width, 4 width ... channels."""
    channels, layers, per_stage = image_shape[0], [], options.depth // options.stages
    for layer in range(options.depth):
        stage, position = divmod(layer, per_stage)
        width = options.width * 2**stage
        layers.append(block(channels, width, halve=position == per_stage - 1))
        channels = width
    return layers


def block(channels_in: int, channels_out: int, halve: bool) -> nn.Sequential:
    layers = [
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if halve else []))
