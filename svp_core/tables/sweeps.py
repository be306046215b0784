"""Sweeps in the table `cost`: rows of training steps that differ in one size only."""

import numpy as np
import pandas as pd
from scipy import stats

from svp_core.tables.contract import SERIES, TableError
from svp_core.tables.statistics import LEVEL

SIZES = ["depth", "width", "batch", "image_size"]
# what is alive at the peak, in the order of stacking
KINDS = "parameters optimizer gradients buffers activations_at_peak data temporary".split()
TIMES = ["step_time_ratio_low", "step_time_ratio", "step_time_ratio_high"]


def steps(cost: pd.DataFrame) -> pd.DataFrame:
    """The rows of single training steps; those of whole trainings name a dataset."""
    return cost[cost["dataset"].isna()]


def of_steps(cost: pd.DataFrame, *quantities: str) -> pd.DataFrame:
    """The rows of training steps that hold a value of one of these quantities."""
    return steps(cost)[lambda rows: rows["quantity"].isin(quantities) & rows["value"].notna()]


def kind_label(kind: str) -> str:
    """How tables and figures call a kind of memory."""
    return kind.removesuffix("_at_peak")


def one_device(rows: pd.DataFrame) -> str:
    """What the rows were measured on, empty if on nothing; refuse two devices."""
    devices = sorted(rows["device"].dropna().unique())
    if len(devices) > 1:
        raise TableError(
            f"cost: two devices in one figure: {' and '.join(devices)}; measure all on one"
            " (delete the records of the other in results/cost)"
        )
    return "".join(devices)


def same_sizes(rows: pd.DataFrame, sizes: list[str]) -> list[pd.DataFrame]:
    """Parts of the rows that are equal in these sizes."""
    return [part for _, part in rows.groupby(sizes, dropna=False)]


def without_d0_sweeps(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows less those of a series that has several d0 at one size."""
    size = ["model", *SIZES, *SERIES]
    return rows[rows.groupby(size, dropna=False)["d0"].transform("nunique") < 2]


def sweep(cost: pd.DataFrame, axis: str, least: int = 2) -> dict[str, pd.DataFrame]:
    """Of each model the rows that differ only in the axis: the group of most sizes on it.

    Series have `least` sizes or more on the axis.
    """
    fixed = [size for size in SIZES if size != axis]
    rows = (cost if axis == "d0" else without_d0_sweeps(cost)).dropna(subset=[axis])
    result = {}
    for model, of_model in rows.groupby("model"):
        groups = [wide_series(part, axis, least) for part in same_sizes(of_model, fixed)]
        best = max(groups, key=lambda part: (part[axis].nunique(), len(part)))
        if not best.empty:
            result[model] = best
    return result


def wide_series(rows: pd.DataFrame, axis: str, least: int) -> pd.DataFrame:
    """The rows of series with enough sizes on the axis."""
    return rows[rows.groupby(SERIES)[axis].transform("nunique") >= least]


def headlines(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the headline series; all of a model that has none."""
    is_chosen = rows["headline"].fillna(False).astype(bool)
    return rows[is_chosen | ~is_chosen.groupby(rows["model"]).transform("any")]


def one_baseline(cost: pd.DataFrame) -> str:
    """The method that ratios relate to, empty without one; refuse two."""
    methods = sorted(cost["baseline"].dropna().unique())
    if len(methods) > 1:
        raise TableError(
            f"cost: two baselines in one table: {' and '.join(methods)}; relate all ratios to one"
            " (delete the records of the other in results/cost)"
        )
    return "".join(methods)


def of_baseline(rows: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """The rows of the baseline as it is by default, to which others relate."""
    return rows[(rows["method"] == baseline) & (rows["variant"] == "default")]


def beside_baseline(cost: pd.DataFrame, *quantities: str) -> pd.DataFrame:
    """The rows of these quantities at the sizes at which the baseline has them, too."""
    rows, keys = of_steps(cost, *quantities), ["model", *SIZES]
    others = of_baseline(rows, one_baseline(rows))[keys].drop_duplicates()
    return rows.merge(others, on=keys)


def no_baseline(cost: pd.DataFrame) -> str | None:
    """Why nothing can be related to the baseline; None where it was measured."""
    name = one_baseline(cost)
    is_there = not of_baseline(steps(cost), name).empty
    return None if is_there else f"No step of the baseline{name and f', {name},'} was measured."


def relative_flops(cost: pd.DataFrame) -> pd.DataFrame:
    """FLOPs divided by those of the baseline of the same sizes; without one there are none."""
    rows, keys = of_steps(cost, "flops"), ["model", *SIZES]
    others = of_baseline(rows, one_baseline(rows))[[*keys, "value"]]
    rows = rows.merge(others.rename(columns={"value": "of_baseline"}), on=keys)
    return rows.assign(value=rows["value"] / rows["of_baseline"]).drop(columns="of_baseline")


def crossings(ratios: pd.Series) -> list[int]:
    """The places in a curve after which it passes 1, the baseline's cost."""
    above = ratios.to_numpy(float) >= 1
    return [int(place) for place in np.flatnonzero(above[1:] != above[:-1])]


def fit(sizes: pd.Series, values: pd.Series, level: float = LEVEL) -> dict[str, float]:
    """Slope of a line through the logarithms, 1 if linear, and its interval."""
    line = stats.linregress(np.log(sizes.astype(float)), np.log(values.astype(float)))
    slope, error = (line.slope, line.stderr) if values.nunique() > 1 else (0.0, 0.0)
    half = stats.t.ppf((1 + level) / 2, len(sizes) - 2) * error
    return {"slope": slope, "low": slope - half, "high": slope + half}
