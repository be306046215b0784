"""Architectures, one file each: a list of blocks, trained by every method alike."""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import torch
from torch import Tensor, nn

from svp_core import pooling
from svp_core.config.options import OptionSet
from svp_core.seeds import derive


class Model(NamedTuple):
    """A sequence of blocks and what turns a block's activation into one vector an image."""

    blocks: nn.ModuleList
    reduce: Callable[[Tensor], Tensor]  # phi, the activation of any block -> (B, d_i)
    widths: list[int]  # d_i, the features of block i after phi


def build(name: str, image_shape: tuple[int, int, int], options: OptionSet, seed: int) -> Model:
    """Return the model of the file `name` for images (C, H, W), its weights drawn from the seed."""
    module = import_module(f"svp_core.models.{name}")
    reduce = pooling.build(options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "weights"))
        blocks = nn.ModuleList(module.blocks(image_shape, options))
    return Model(blocks, reduce, reduced_widths(blocks, reduce, torch.zeros(1, *image_shape)))


@torch.no_grad()
def reduced_widths(
    blocks: nn.ModuleList, reduce: Callable[[Tensor], Tensor], hidden: Tensor
) -> list[int]:
    widths = []
    for block in blocks.eval():
        hidden = block(hidden)
        widths.append(reduce(hidden).shape[1])
    blocks.train()
    return widths
