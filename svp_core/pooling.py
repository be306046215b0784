"""phi: one vector an image from a feature map, tokens or a vector (spec: what is not a vector)."""

from collections.abc import Callable
from functools import partial

from torch import Tensor
from torch.nn import functional as F


def flatten(hidden: Tensor) -> Tensor:
    """(B, ...) -> (B, all)."""
    return hidden.flatten(1)


def avg(hidden: Tensor, grid: int) -> Tensor:
    """(B, C, H, W) -> (B, C * g * g), averages over cells of ceil(H / grid) rows, so g <= grid.

    A vector (B, d), such as that of a dense layer above feature maps, stays as it is.
    """
    if hidden.dim() == 2:
        return hidden
    height, width = hidden.shape[2:]
    cell = (-(-height // grid), -(-width // grid))
    # avg_pool2d rather than adaptive_avg_pool2d: its backward pass is deterministic on CUDA
    pooled = F.avg_pool2d(hidden, cell, ceil_mode=True, count_include_pad=False)
    return pooled.flatten(1)


def mean(hidden: Tensor) -> Tensor:
    """(B, T, d) -> (B, d), the average over all tokens."""
    return hidden.mean(dim=1)


def cls(hidden: Tensor) -> Tensor:
    """(B, T, d) -> (B, d), the class token, which is the first."""
    return hidden[:, 0]


POOLS = {"flatten": flatten, "avg": avg, "mean": mean, "cls": cls}


def build(pool: str = "flatten", grid: int = 1) -> Callable[[Tensor], Tensor]:
    """Return the function of this name, activation -> (B, d); only `avg` has a grid."""
    return partial(avg, grid=grid) if pool == "avg" else POOLS[pool]
