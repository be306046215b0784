"""Copies of the next blocks of the model, with initial weights of their own, trained by the unit.

As AugLocal (ICLR 2024) borrows the architecture of later blocks; here these are the very next ones,
which fit without change, where AugLocal picks some at equal distances. Their weights are drawn by
torch's defaults, also where a model draws its own otherwise.
"""

import torch
from torch import nn

from svp_core.config.options import OptionSet, integer
from svp_core.config.pairs import ConfigError
from svp_core.local.auxiliaries import copied
from svp_core.seeds import derive


class Options(OptionSet):
    """Their number."""

    auxiliary_depth: int = integer(
        1, "blocks of the auxiliary network of a unit, fewer where fewer follow it", at_least=1
    )

    @property
    def ahead(self) -> int:
        return self.auxiliary_depth


def build(blocks, groups, options, seed) -> list[nn.Module | None]:
    """Return an auxiliary network a unit; None for the last, which no block follows."""
    return [
        fresh(blocks[end + 1 : end + 1 + options.ahead], derive(seed, "auxiliary", end))
        for end in (group[-1] for group in groups)
    ]


def fresh(blocks: nn.ModuleList, seed: int) -> nn.Sequential | None:
    """Return copies of blocks with weights drawn anew."""
    if not len(blocks):
        return None
    copies = copied(blocks)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in copies.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
            elif next(module.parameters(recurse=False), None) is not None:
                name = type(module).__name__
                raise ConfigError(
                    f"method_options.auxiliary: {name} has no reset_parameters to draw a copy by"
                )
    return copies
