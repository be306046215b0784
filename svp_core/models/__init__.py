"""Architectures, one file each: a list of blocks, trained by every method alike.

A file has `blocks(image_shape, options)`, or `parts(image_shape, options)` where a network brings
its head as well.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

import torch
from torch import Tensor, nn

from svp_core import pooling
from svp_core.config.options import OptionSet
from svp_core.config.pairs import ConfigError
from svp_core.data.files import brief
from svp_core.seeds import derive


class Model(NamedTuple):
    """A sequence of blocks and what turns a block's activation into one vector an image."""

    blocks: nn.ModuleList
    reduce: Callable[[Tensor], Tensor]  # phi, the activation of any block -> (B, d_i)
    widths: list[int]  # d_i, the features of block i after phi
    head: nn.Module | None = None  # a network's own, from the last activation to class logits
    outputs: int | None = None  # logits of that head


def build(name: str, image_shape: tuple[int, int, int], options: OptionSet, seed: int) -> Model:
    """Return the model of the file `name` for images (C, H, W), its weights drawn from the seed."""
    module = import_module(f"svp_core.models.{name}")
    reduce = pooling.build(options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "weights"))
        if hasattr(module, "parts"):
            blocks, head = module.parts(image_shape, options)
        else:
            blocks, head = module.blocks(image_shape, options), None
    return of_blocks(blocks, head, reduce, image_shape)


@torch.no_grad()
def of_blocks(
    blocks: Sequence[nn.Module],
    head: nn.Module | None,
    reduce: Callable[[Tensor], Tensor],
    image_shape: Sequence[int],
) -> Model:
    """Return the model of some blocks for images (C, H, W), and of what follows them, if anything.

    Raises ConfigError if phi makes no vector of an activation, or the head no logits.
    """
    everything = nn.ModuleList([*blocks, *([head] if head else [])]).eval()
    hidden, widths = torch.zeros(1, *image_shape), []
    for place, block in enumerate(blocks, start=1):
        hidden = passed(block, hidden, f"block {place} of the network")
        features = reduce(hidden)
        if features.dim() != 2:
            shape = tuple(hidden.shape[1:])
            raise ConfigError(
                f"pool: it makes no vector of the activation {shape} of block {place}"
            )
        widths.append(features.shape[1])
    logits = passed(head, hidden, "the head of the network") if head else None
    if logits is not None and logits.dim() != 2:
        raise ConfigError(f"head: it returns {tuple(logits.shape[1:])} an image, no class logits")
    everything.train()
    return Model(
        nn.ModuleList(blocks), reduce, widths, head, None if head is None else logits.shape[1]
    )


def passed(block: nn.Module, hidden: Tensor, what: str) -> Tensor:
    """Return the activation of a block; raises ConfigError if it does not take its input."""
    try:
        return block(hidden)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        shape = "x".join(map(str, hidden.shape[1:]))
        raise ConfigError(f"{what} does not take {shape} an image: {brief(error)}") from error
