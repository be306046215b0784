"""Evidence of trainings at equal seeds, by tests at the level of the rules."""

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from svp_core.claims.evidence import NAN, Evidence, chosen, require
from svp_core.claims.rules import LEAST, LEVEL, refuted
from svp_core.tables import TASK, TableError
from svp_core.tables.statistics import interval


def comparisons(rule: Mapping) -> Iterator[tuple[dict, dict, str]]:
    """Left and right with one value each, and what tells them from others of the rule."""
    sides = [expanded(rule[side]) for side in ("left", "right")]
    for (left, of_left), (right, of_right) in product(*sides):
        yield left, right, ", ".join(filter(None, [of_left, of_right]))


def expanded(values: Mapping) -> Iterator[tuple[dict, str]]:
    """The mappings that lists in a mapping stand for, each with its values of lists in words."""
    lists = [name for name, value in values.items() if isinstance(value, list)]
    for one in product(*(values[name] for name in lists)):
        own = dict(zip(lists, one, strict=True))
        yield {**values, **own}, ", ".join(f"{name} {value}" for name, value in own.items())


def cell_name(names: tuple, by: list[str], addition: str) -> str:
    """A cell as tables call it, such as `digits/mlp, target 95`."""
    further = [f"{name} {value}" for name, value in zip(by, names[len(TASK) :], strict=True)]
    return ", ".join(filter(None, ["/".join(map(str, names[: len(TASK)])), *further, addition]))


def paired(table: pd.DataFrame, rule: Mapping) -> Iterator[Evidence]:
    """Left minus right (relative: over right) at equal seeds, by t tests; needs LEAST pairs."""
    by, value = rule.get("by", []), rule["value"]
    keys = [*TASK, *by, "seed"]
    require(table, *keys, value)
    for left, right, addition in comparisons(rule):
        sides = [chosen(table, one)[[*keys, value]] for one in (left, right)]
        try:
            pairs = sides[0].merge(
                sides[1], on=keys, validate="one_to_one", suffixes=("", "_of_right")
            )
        except pd.errors.MergeError:
            raise TableError(
                f"claim of {rule['name']}: two rows a seed; name what differs"
            ) from None
        for names, group in pairs.groupby([*TASK, *by]):
            values = group[[value, f"{value}_of_right"]].astype(float).to_numpy().T
            name = cell_name(names, by, addition)
            yield of_pairs(name, *values, group["seed"].to_numpy(), rule)


def of_pairs(cell: str, left: np.ndarray, right: np.ndarray, seeds: np.ndarray, rule) -> Evidence:
    """Evidence of values at equal seeds, of which those of `left` may be missing, or of both."""
    if is_relative := rule.get("relative", False):
        left, right = (np.log(np.where(side > 0, side, np.nan)) for side in (left, right))
    has_pair = ~np.isnan(left - right)
    found = (left - right)[has_pair]
    estimate = [NAN if end is None else end for end in interval(found, level=1 - 2 * LEVEL)]
    needed, against = (
        [mean_p(found, side, np.log(at) if is_relative else at) for side, at in bounds.items()]
        for bounds in (rule["supported"], refuted(rule))
    )
    return Evidence(
        cell,
        *(np.exp(estimate) if is_relative else estimate),
        n=int(has_pair.sum()),
        support=max(needed),
        refute=min(1.0, len(against) * min(against)),
        least=LEAST,
        missing=[int(seed) for seed in seeds[np.isnan(left) & ~np.isnan(right)]],
    )


def mean_p(values: np.ndarray, side: str, at: float) -> float:
    """The p-value of a t test for a mean above or below a value; 1 where there is none."""
    if len(values) < 2:
        return 1.0
    if np.ptp(values) == 0:  # equal differences, of which t is not defined
        return float(not (values[0] > at if side == "above" else values[0] < at))
    alternative = {"above": "greater", "below": "less"}[side]
    return float(stats.ttest_1samp(values, at, alternative=alternative).pvalue)


def spread(table: pd.DataFrame, rule: Mapping) -> Iterator[Evidence]:
    """The standard deviation over the values of an axis at equal seeds, by chi-square tests."""
    value = rule["value"]
    require(table, rule["over"], value)
    for (*task, seed), group in table.groupby([*TASK, "seed"]):
        values = group[value].dropna().astype(float)
        cell, freedom = cell_name((*task, seed), ["seed"], ""), len(values) - 1
        if freedom < 1:
            yield Evidence(cell, NAN, n=len(values), least=LEAST)
            continue
        squares = freedom * values.var()
        low, high = (np.sqrt(squares / stats.chi2.isf(p, freedom)) for p in (LEVEL, 1 - LEVEL))

        def p(side: str, at: float, squares=squares, freedom=freedom) -> float:
            tail = stats.chi2.cdf if side == "below" else stats.chi2.sf
            return float(tail(squares / at**2, freedom))

        yield Evidence(
            cell, values.std(), low, high, len(values),
            support=max(p(*one) for one in rule["supported"].items()),
            refute=min(p(*one) for one in refuted(rule).items()),
            least=LEAST,
        )  # fmt: skip
