"""Architectures, one file each: a list of blocks, trained by every method alike."""

from importlib import import_module
from typing import NamedTuple

import torch
from torch import Tensor, nn

from svp_core import pooling
from svp_core.seeds import derive


class Model(NamedTuple):
    """A sequence of blocks and what turns a block's activation into one vector an image."""

    blocks: nn.ModuleList
    pool: str
    widths: list[int]  # d_i, the pooled features of block i


def build(name: str, image_shape: tuple[int, int, int], options: dict, seed: int) -> Model:
    """Return the model of the file `name` for images (C, H, W), its weights drawn from the seed."""
    module = import_module(f"svp_core.models.{name}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "weights"))
        blocks = nn.ModuleList(module.blocks(image_shape, **options))
    widths = pooled_widths(blocks, module.POOL, torch.zeros(1, *image_shape))
    return Model(blocks, module.POOL, widths)


@torch.no_grad()
def pooled_widths(blocks: nn.ModuleList, pool: str, hidden: Tensor) -> list[int]:
    widths = []
    for block in blocks.eval():
        hidden = block(hidden)
        widths.append(pooling.POOLS[pool](hidden).shape[1])
    blocks.train()
    return widths
