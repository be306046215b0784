"""Consecutive units in groups, one a rank: the slowest rank has as little to do as can be."""

from collections.abc import Sequence
from itertools import accumulate


def balanced(costs: Sequence[float], ranks: int) -> list[range]:
    """Return the places of the units of every rank, of the smallest largest sum of costs.

    None is empty. Of several such partitions it is the one whose first ranks have the least; raises
    ValueError for more ranks than units.
    """
    if not 1 <= ranks <= len(costs):
        raise ValueError(f"{ranks} ranks for {len(costs)} units")
    before = [0.0, *accumulate(costs)]
    worst = [[before[end] for end in range(len(costs) + 1)]]  # of so many ranks, up to `end`
    cuts: list[list[int]] = []
    for rank in range(1, ranks):
        choices = [
            min((max(worst[-1][cut], before[end] - before[cut]), cut) for cut in range(rank, end))
            if end > rank
            else (float("inf"), 0)
            for end in range(len(costs) + 1)
        ]
        worst.append([cost for cost, _ in choices])
        cuts.append([cut for _, cut in choices])
    ends = [len(costs)]
    for chosen in reversed(cuts):
        ends.append(chosen[ends[-1]])
    starts = [*reversed(ends[1:])]
    return [range(*pair) for pair in zip([0, *starts], [*starts, len(costs)], strict=True)]
