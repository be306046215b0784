"""Evidence of training steps, whose bytes and operations are exact, by model."""

from collections.abc import Iterator, Mapping

import pandas as pd

from svp_core.claims.evidence import NAN, Evidence, chosen, exact, keeps
from svp_core.claims.rules import refuted
from svp_core.tables.sweeps import SIZES, of_steps, without_d0_sweeps


def least(cost: pd.DataFrame, rows: list[Mapping] | Mapping, quantity: str) -> pd.DataFrame:
    """By model and size, the least of a quantity among some series."""
    steps = without_d0_sweeps(of_steps(cost, quantity))
    parts = [chosen(steps, one) for one in (rows if isinstance(rows, list) else [rows])]
    found = pd.concat(parts)
    return found.groupby(["model", *SIZES], dropna=False)[["value"]].min().reset_index()


def both(cost: pd.DataFrame, rule: Mapping, quantity: str) -> pd.DataFrame:
    """What left and right have at equal sizes."""
    sides = [least(cost, rule[side], quantity) for side in ("left", "right")]
    return sides[0].merge(sides[1], on=["model", *SIZES], suffixes=("_left", "_right"))


def ratio(cost: pd.DataFrame, rule: Mapping) -> Iterator[Evidence]:
    """Left over right at equal sizes; the interval is from the least to the largest of them."""
    for model, rows in both(cost, rule, rule["value"]).groupby("model"):
        ratios = rows["value_left"] / rows["value_right"]
        is_more = ("above" in rule["supported"]) == (rule["sizes"] == "best")
        decisive = ratios.max() if is_more else ratios.min()
        yield exact(str(model), decisive, ratios.min(), ratios.max(), len(rows), rule)


def share(cost: pd.DataFrame, rule: Mapping) -> Iterator[Evidence]:
    """The part of a kind of memory in what right saves of left's total, at the deepest size."""
    totals, parts = (both(cost, rule, quantity) for quantity in ("total", rule["value"]))
    rows = totals.merge(parts, on=["model", *SIZES], suffixes=("", "_of_kind"))
    for model, of_model in rows.groupby("model"):
        row = of_model.sort_values(SIZES).iloc[-1]
        saved = row["value_left"] - row["value_right"]
        if saved > 0:
            found = (row["value_left_of_kind"] - row["value_right_of_kind"]) / saved
            yield exact(str(model), found, NAN, NAN, 1, rule)


def in_depth(slopes: pd.DataFrame, values: Mapping, quantity: str) -> pd.DataFrame:
    """Rows of the table of slopes, indexed by model."""
    return chosen(slopes, {**values, "axis": "depth", "quantity": quantity}).set_index("model")


def slope(slopes: pd.DataFrame, rule: Mapping) -> Iterator[Evidence]:
    """The exponent in depth, by its 95 % interval."""
    for model, row in in_depth(slopes, rule["left"], rule["value"]).iterrows():
        low, high = row["low"], row["high"]
        holds = all(keeps(low, high, rule["supported"]))
        fails = any(keeps(low, high, refuted(rule)))
        decided = {"support": float(not holds), "refute": float(not fails)}
        found = Evidence(str(model), row["slope"], low, high, int(row["points"]), **decided)
        found.is_exact, found.least = True, 3
        yield found


def growth(slopes: pd.DataFrame, rule: Mapping) -> Iterator[Evidence]:
    """What a block adds, left's over right's, between the two largest depths."""
    left, right = (in_depth(slopes, rule[side], rule["value"]) for side in ("left", "right"))
    for model in left.index.intersection(right.index):
        found = left.loc[model, "growth"] / right.loc[model, "growth"]
        points = int(left.loc[model, "points"])
        yield exact(str(model), found, NAN, NAN, points, rule)
