"""phi: one vector an image from a feature map, tokens or a vector."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from svp_core.config.options import OptionSet, choice, integer
from svp_core.config.run import ModelOptions

if TYPE_CHECKING:  # the options below are read without torch
    from torch import Tensor


class MapOptions(ModelOptions):
    """What is seen of feature maps."""

    pool: str = choice(
        "avg",
        "avg_std",
        "flatten",
        meaning="phi, what a reading or the head of BP sees of a feature map: cells' averages, also"
        " their standard deviations, or all of it",
    )
    grid: int = integer(
        4, "of avg and avg_std, most cells a side that they keep; 1 is the whole map", at_least=1
    )


def flatten(hidden: Tensor) -> Tensor:
    """(B, ...) -> (B, all)."""
    return hidden.flatten(1)


def avg(hidden: Tensor, grid: int) -> Tensor:
    """(B, C, H, W) -> (B, C * g * g), averages over cells of ceil(H / grid) rows, so g <= grid.

    A vector (B, d), such as that of a dense layer above feature maps, stays as it is; of tokens
    (B, T, d) the average is all.
    """
    from torch.nn import functional as F

    if hidden.dim() < 4:
        return hidden if hidden.dim() == 2 else mean(hidden)
    if cell(hidden, grid) == (1, 1):
        return hidden.flatten(1)
    # avg_pool2d rather than adaptive_avg_pool2d: its backward pass is deterministic on CUDA
    pooled = F.avg_pool2d(hidden, cell(hidden, grid), ceil_mode=True, count_include_pad=False)
    return pooled.flatten(1)


def cell(hidden: Tensor, grid: int) -> tuple[int, int]:
    """Return rows and columns of the cells of a map (B, C, H, W)."""
    height, width = hidden.shape[2:]
    return -(-height // grid), -(-width // grid)


def avg_std(hidden: Tensor, grid: int) -> Tensor:
    """(B, C, H, W) -> (B, 2 C * g * g), averages and standard deviations over the cells of avg."""
    import torch

    if hidden.dim() < 4:
        return avg(hidden, grid)
    average = avg(hidden, grid)
    deviation = (avg(hidden.square(), grid) - average.square()).clamp(min=1e-6).sqrt()
    return torch.cat([average, deviation], dim=1)


def mean(hidden: Tensor) -> Tensor:
    """(B, T, d) -> (B, d), the average over all tokens."""
    return hidden.mean(dim=1)


def cls(hidden: Tensor) -> Tensor:
    """(B, T, d) -> (B, d), the class token, which is the first."""
    return hidden[:, 0]


POOLS = {"flatten": flatten, "avg": avg, "mean": mean, "cls": cls}


def build(options: OptionSet) -> Callable[[Tensor], Tensor]:
    """Return the function activation -> (B, d) that a model's options `pool` and `grid` name.

    Models without such options are seen whole.
    """
    pool = getattr(options, "pool", "flatten")
    of_cells = {"avg": avg, "avg_std": avg_std}
    return partial(of_cells[pool], grid=options.grid) if pool in of_cells else POOLS[pool]
