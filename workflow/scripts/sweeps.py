"""Sweeps in the table `cost`: rows of training steps that differ in one size only."""

import pandas as pd

from workflow.scripts import tables

SIZES = ["depth", "width", "batch", "image_size"]
SERIES = ["method", "variant"]


def steps(cost: pd.DataFrame) -> pd.DataFrame:
    """The rows of single training steps; those of whole trainings name a dataset."""
    return cost[cost["dataset"].isna()]


def of_steps(cost: pd.DataFrame, *quantities: str) -> pd.DataFrame:
    """The rows of training steps that hold a value of one of these quantities."""
    return steps(cost)[lambda rows: rows["quantity"].isin(quantities) & rows["value"].notna()]


def one_device(rows: pd.DataFrame) -> str:
    """What the rows were measured on, empty if on nothing; refuse two devices."""
    devices = sorted(rows["device"].dropna().unique())
    if len(devices) > 1:
        model = ", ".join(sorted(set(rows["model"])))
        raise tables.TableError(f"cost: {model}: devices in one panel: {' and '.join(devices)}")
    return "".join(devices)


def same_sizes(rows: pd.DataFrame, sizes: list[str]) -> list[pd.DataFrame]:
    """Parts of the rows that are equal in these sizes."""
    return [part for _, part in rows.groupby(sizes, dropna=False)]


def swept(rows: pd.DataFrame, axis: str, least: int) -> pd.DataFrame:
    """The rows of series with enough sizes on the axis, and one value of a quantity at each."""
    again = rows.duplicated(["method", "variant", axis, "quantity", "device"], keep=False)
    series = rows.assign(again=again).groupby(["method", "variant"])
    is_wide = series[axis].transform("nunique") >= least
    return rows[is_wide & ~series["again"].transform("any")]  # what repeats is a sweep of d0


def sweep(cost: pd.DataFrame, axis: str, least: int = 2) -> dict[str, pd.DataFrame]:
    """Of each model the rows that differ only in the axis: the group of most sizes on it."""
    fixed = [size for size in SIZES if size != axis]
    result = {}
    for model, rows in cost.dropna(subset=[axis]).groupby("model"):
        groups = [swept(part, axis, least) for part in same_sizes(rows, fixed)]
        best = max(groups, key=lambda part: (part[axis].nunique(), len(part)), default=rows)
        if not best.empty:
            result[model] = best
    return result
