"""Networks between a unit's activation and what is read from it, thrown away where nothing is read.

A file has `build(blocks, groups, options, seed) -> list[nn.Module | None]`, one a unit; `groups`
are the places of its blocks. Its `Options` say with `ahead` how many blocks later the widths are
that are read. One with `follow()` is called after every step.
"""

from collections.abc import Iterable
from copy import deepcopy

from torch import nn


def copied(blocks: Iterable[nn.Module]) -> nn.Sequential:
    """Return copies of blocks, with weights and statistics of their own."""
    whole = nn.Sequential(*blocks)
    # deepcopy alone would copy what a tensor without contents belongs to, in simulations
    memo = {id(one): one.detach().clone() for one in whole.buffers()}
    for one in whole.parameters():
        memo[id(one)] = nn.Parameter(one.detach().clone(), one.requires_grad)
    return deepcopy(whole, memo)
