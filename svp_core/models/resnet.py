"""Residual network (arXiv 1512.03385): a residual block is one block, the first has the stem too.

As torchvision's: bottlenecks from 50 layers on, their stride in the 3x3 convolution, He weights.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.config.options import choice, integer
from svp_core.pooling import MapOptions

# residual blocks of the four stages, by number of layers (arXiv 1512.03385, table 1)
LAYOUTS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


class Options(MapOptions):
    """Sizes."""

    layout: int = choice(
        *LAYOUTS, meaning="layers, of basic blocks up to 34, of bottlenecks from 50 on"
    )
    depth: int | None = integer(
        None,
        "residual blocks, a quarter of them a stage; null means those of the layout",
        at_least=4,
    )
    width: int = integer(64, "channels of the first stage, doubled by every later one", at_least=1)
    stem: str = choice(
        "cifar",
        "imagenet",
        meaning="imagenet is 7x7 with stride 2 and a max pooling, cifar 3x3 at full resolution",
    )

    @property
    def stages(self) -> tuple[int, ...]:
        """Return the blocks of the four stages."""
        return (self.depth // 4,) * 4 if self.depth else LAYOUTS[self.layout]

    @property
    def block_count(self) -> int:
        return sum(self.stages)

    @property
    def depth_step(self) -> int:
        return 4

    def refuse(self, run):
        if (self.depth or 4) % 4:
            yield f"depth: {self.depth} blocks are not four equal stages"


def blocks(image_shape: tuple[int, int, int], options: Options) -> list[nn.Module]:
    """Return the residual blocks of `layout` layers; a stage halves the map and doubles `width`."""
    layers, channels = [], options.width
    build = bottleneck if options.layout >= 50 else basic
    for stage, count in enumerate(options.stages):
        for position in range(count):
            stride = 2 if stage > 0 and position == 0 else 1
            branch = build(channels, options.width * 2**stage, stride)
            layers.append(Residual(branch, channels, stride))
            channels = branch[-1].num_features
    stem = STEMS[options.stem](image_shape[0], options.width)
    layers[0] = nn.Sequential(stem, layers[0])
    return layers


class Residual(nn.Module):
    """(B, C, H, W) -> (B, C', H', W'): relu(branch(h) + h), where sizes change with h convolved."""

    def __init__(self, branch: nn.Sequential, channels_in: int, stride: int):
        super().__init__()
        channels_out = branch[-1].num_features
        changes = stride > 1 or channels_in != channels_out
        self.branch = branch
        fit = conv(channels_in, channels_out, 1, stride) if changes else []
        self.shortcut = nn.Sequential(*fit)

    def forward(self, hidden: Tensor) -> Tensor:
        return F.relu(self.branch(hidden) + self.shortcut(hidden))


def basic(channels_in: int, channels: int, stride: int) -> nn.Sequential:
    first = conv(channels_in, channels, 3, stride)
    return nn.Sequential(*first, nn.ReLU(), *conv(channels, channels, 3))


def bottleneck(channels_in: int, channels: int, stride: int) -> nn.Sequential:
    first, second = conv(channels_in, channels, 1), conv(channels, channels, 3, stride)
    return nn.Sequential(*first, nn.ReLU(), *second, nn.ReLU(), *conv(channels, 4 * channels, 1))


def imagenet(channels_in: int, width: int) -> nn.Sequential:
    """(B, C, H, W) -> (B, width, H / 4, W / 4)."""
    return nn.Sequential(*conv(channels_in, width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1))


def cifar(channels_in: int, width: int) -> nn.Sequential:
    """(B, C, H, W) -> (B, width, H, W)."""
    return nn.Sequential(*conv(channels_in, width, 3), nn.ReLU())


STEMS = {"imagenet": imagenet, "cifar": cifar}


def conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """Return a convolution, He initialised by its fan out, and a batch norm."""
    layer = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return [layer, nn.BatchNorm2d(channels_out)]
