"""Statistics over seeds, which tables and figures share."""

from collections.abc import Iterable

import pandas as pd
from scipy import stats

LEVEL = 0.95
PAIR = ["dataset", "model", "seed"]


def interval(values: Iterable[float], level: float = LEVEL) -> tuple:
    """Mean and ends of its Student t interval; None where there are too few values."""
    values = pd.Series(values, dtype=float).dropna()
    n = len(values)
    mean = values.mean() if n else None
    if n < 2:
        return mean, None, None
    half = stats.t.ppf((1 + level) / 2, n - 1) * values.sem()
    return mean, mean - half, mean + half


def ends(values: Iterable[float]) -> tuple[float, float]:
    """Ends of the interval, not a number below two values; an `errorbar` for seaborn."""
    _, low, high = interval(values)
    return (float("nan"),) * 2 if low is None else (low, high)


def paired_differences(runs: pd.DataFrame, baseline: str) -> pd.Series:
    """Test accuracy minus the baseline's of the same dataset, model and seed; empty without one."""
    itself = (runs["method"] == baseline) & (runs["variant"] == "default")
    others = of_baseline(runs, baseline, "test_accuracy")
    return (runs["test_accuracy"] - others).mask(itself)


def of_baseline(runs: pd.DataFrame, baseline: str, column: str) -> pd.Series:
    """What the baseline has in a column, of the same dataset, model and seed; empty without one.

    The baseline's run is that of the same variant where there is one (a change of sizes or recipe),
    else the default one.
    """
    is_baseline = runs["method"] == baseline
    others = runs[is_baseline].set_index([*PAIR, "variant"])[column]
    variants = [
        "default"
        if row.method == baseline or (*row[:3], row.variant) not in others.index
        else row.variant
        for row in runs[[*PAIR, "method", "variant"]].itertuples(index=False)
    ]
    keys = pd.MultiIndex.from_frame(runs.assign(variant=variants)[[*PAIR, "variant"]])
    return pd.Series(others.reindex(keys).to_numpy(), runs.index)
