"""The largest depth that fits into a budget of memory.

Blocks of one kind cost the same each, so that the total is linear in depth, or, where about
sqrt(depth) segments are kept, quadratic in it. A few depths in a row show whether it is, and the
law is followed to the end of the budget; where there is none, no depth is reported.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise
from math import comb

from svp_core.config import options
from svp_core.cost import cells

GIB = 2**30
FAR = 2**24  # a budget that allows more is no limit


def largest_depths(config: dict, total: Callable[[dict], int]) -> Iterator[dict]:
    """Yield a row a series and budget; `total` returns the bytes of a cell.

    Depths are multiples of the model's stages; for segments, squares times these.
    """
    for series in config["series"] if config["budgets"] else ():
        depth_at, starts, degree = steps(config, series)

        def size(step: int, series=series, depth_at=depth_at) -> int:
            return total(cells.cell(config, series, {"depth": depth_at(step)}))

        first, law = find_law(size, starts, degree)
        for budget in config["budgets"]:
            step = largest_step(law, first, int(budget * GIB), size) if law else None
            values = {f"largest_depth_{budget:g}_gib": step and depth_at(step)}
            for row in cells.rows(cells.cell(config, series, {}), values, "blocks", "simulated"):
                yield row | {"depth": None}


def steps(config: dict, series: dict) -> tuple[Callable[[int], int], list[int], int]:
    """Return depth as a function of a step, where a law may begin, and its degree."""
    one = cells.cell(config, series, {})
    least = options.fill("models", one["model"], one["model_options"]).depth_step
    law = options.fill("methods", one["method"], one["method_options"]).depth_law
    starts = [16 // least, 64 // least] if law == 1 else [4, 8]
    return (lambda step: least * step**law), starts, law


def find_law(
    size: Callable[[int], int], starts: list[int], degree: int
) -> tuple[int, list[int] | None]:
    """Return a start and the differences there, if sizes beyond it follow them; else None."""
    for first in starts:
        *law, rest = differences([size(step) for step in range(first, first + degree + 2)])
        if rest == 0 and size(3 * first) == newton(law, 2 * first):
            return first, law
    return starts[0], None


def largest_step(law: list[int], first: int, budget: int, size: Callable[[int], int]) -> int:
    """Return the last step whose size (bytes) is within the budget, 0 if there is none."""
    if law[0] > budget:  # before the law begins every step is tried
        return bisect_right(range(1, first), budget, key=size)
    return first - 1 + bisect_right(range(FAR), budget, key=lambda step: newton(law, step))


def differences(values: list[int]) -> list[int]:
    """Return value, first, second ... difference at the first of equally spaced places."""
    found = []
    while values:
        found.append(values[0])
        values = [after - before for before, after in pairwise(values)]
    return found


def newton(law: list[int], step: int) -> int:
    """Return the value of the polynomial of these differences, `step` places from the first."""
    return sum(difference * comb(step, order) for order, difference in enumerate(law))
