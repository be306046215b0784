"""A moving average of the next unit's weights, through which the unit is read and not trained.

The frozen half of MAN (momentum auxiliary networks, ECCV 2024): weights travel from unit to unit.
"""

import torch
from torch import nn

from svp_core.config.options import OptionSet, number
from svp_core.local.auxiliaries import copied


class Options(OptionSet):
    """How slowly it follows."""

    auxiliary_momentum: float = number(
        0.995, "of the average of the next unit's weights, a step", at_least=0, below=1
    )

    @property
    def ahead(self) -> int:
        return self.blocks


class Average(nn.Module):
    """The blocks of the next unit as they were on average; their norms see the current batch."""

    def __init__(self, blocks: list[nn.Module], momentum: float):
        super().__init__()
        self.fresh = 1 - momentum
        self.copies = copied(blocks).requires_grad_(False)
        self.pairs = [
            pair
            for copy, block in zip(self.copies, blocks, strict=True)
            for pair in zip(copy.parameters(), block.parameters(), strict=True)
        ]

    def forward(self, hidden):
        return self.copies(hidden)

    @torch.no_grad()
    def follow(self) -> None:
        """Move towards the next unit's weights."""
        for average, weight in self.pairs:
            average.lerp_(weight, self.fresh)


def build(blocks, groups, options, seed) -> list[nn.Module | None]:
    """Return an average of the next unit for every unit; None for the last."""
    following = [[blocks[place] for place in group] for group in groups[1:]]
    return [*(Average(one, options.auxiliary_momentum) for one in following), None]
