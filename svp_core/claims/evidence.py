"""Evidence on a measurement: in every cell an estimate, its interval, and how sure it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from svp_core.claims.rules import refuted

NAN = float("nan")


class Untested(Exception):
    """A table lacks what a measurement needs; the message says what."""


@dataclass
class Evidence:
    """Of one cell. `support` and `refute` are p-values of the hypotheses that are to be rejected.

    What is exact has 0 where a bound is kept and 1 where it is not; `is_exact` says so.
    """

    cell: str
    estimate: float
    low: float = NAN
    high: float = NAN
    n: int = 0
    support: float = 1.0
    refute: float = 1.0
    is_exact: bool = False
    least: int = 1
    missing: list[int] = field(default_factory=list)  # seeds of `left` without a value


def keeps(low: float, high: float, bounds: Mapping) -> list[bool]:
    """Which of the bounds an interval keeps as a whole."""
    return [low >= at if side == "above" else high <= at for side, at in bounds.items()]


def exact(cell: str, estimate: float, low: float, high: float, n: int, rule: Mapping) -> Evidence:
    """Evidence without chance, such as simulated bytes."""
    holds = all(keeps(estimate, estimate, rule["supported"]))
    fails = any(keeps(estimate, estimate, refuted(rule)))
    decided = {"support": float(not holds), "refute": float(not fails)}
    return Evidence(cell, estimate, low, high, n, **decided, is_exact=True)


def require(table: pd.DataFrame, *names: str) -> None:
    """Raise Untested for a column that the table lacks or that has no value."""
    for name in names:
        if name not in table or table[name].isna().all():
            raise Untested(f"no {name} in the table")


def chosen(table: pd.DataFrame, values: Mapping) -> pd.DataFrame:
    """The rows with these values in these columns."""
    require(table, *values)
    for name, value in values.items():
        table = table[table[name].isin(value if isinstance(value, list) else [value])]
    return table
