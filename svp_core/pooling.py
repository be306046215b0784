"""phi: one vector an image from a feature map, tokens or a vector (spec: what is not a vector)."""

from torch import Tensor
from torch.nn import functional as F

GRID = 4  # cells a side that `avg` keeps of a feature map


def flatten(hidden: Tensor) -> Tensor:
    """(B, ...) -> (B, all)."""
    return hidden.flatten(1)


def avg(hidden: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C * g * g), the average over g x g cells, g = min(GRID, H)."""
    height, width = hidden.shape[2:]
    cell = (-(-height // GRID), -(-width // GRID))
    # avg_pool2d rather than adaptive_avg_pool2d: its backward pass is deterministic on CUDA
    pooled = F.avg_pool2d(hidden, cell, ceil_mode=True, count_include_pad=False)
    return pooled.flatten(1)


def mean(hidden: Tensor) -> Tensor:
    """(B, T, d) -> (B, d), the average over tokens."""
    return hidden.mean(dim=1)


POOLS = {"flatten": flatten, "avg": avg, "mean": mean}
