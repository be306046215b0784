"""A metric of every unit, after the last epoch, against its position: drawn for several figures."""

from figures import names, sentences, style

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from svp_core.tables import derived

POINT = {"x": "unit", "y": "value", "legend": False}


def last_epochs(metrics: pd.DataFrame, *wanted: str) -> pd.DataFrame:
    """The values of these metrics of units after the last epoch of each run."""
    rows = metrics[metrics["metric"].isin(wanted) & metrics["value"].notna()]
    return derived.last_epochs(rows).astype({"unit": int, "units": int})


def draw(axes: Axes, rows: pd.DataFrame, look: dict) -> None:
    """Draw the seeds of one series, thin, and their mean."""
    thin = {"color": look["color"], "linewidth": 0.5, "alpha": 0.5}
    sns.lineplot(rows, units="seed", estimator=None, ax=axes, **POINT, **thin)
    sns.lineplot(rows, errorbar=None, ax=axes, **POINT, **look, markersize=4, markeredgewidth=0)


def draw_all(axes: Axes, rows: pd.DataFrame, looks: dict) -> None:
    """Draw every series that has rows."""
    for (method, variant), look in looks.items():
        series = style.pick(rows, method=method, variant=variant)
        if not series.empty:
            draw(axes, series, look)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if rows["unit"].nunique() == 1:
        axes.set_xticks(rows["unit"].unique())


def explanation(rows: pd.DataFrame) -> str:
    """What thin and thick lines are."""
    return f"Unit 1 is next to the image. Thin: seeds (n = {names.seeds(rows)}). Thick: mean."


def from_first_to_last(rows: pd.DataFrame, digits: int) -> str:
    """A sentence a cell: the means of the first and the last unit of every series."""

    def part(name: str, series: pd.DataFrame) -> str:
        means = series.groupby("unit")["value"].mean()
        first, last = means.index[[0, -1]]
        low, high = (f"{means[unit]:.{digits}f} (unit {unit})" for unit in (first, last))
        return f"{name} {low} to {high}" if last > first else f"{name} {means.iloc[0]:.{digits}f}"

    return sentences.text(
        sentences.sentence(cell, (part(*one) for one in sentences.of_series(of_cell)))
        for cell, of_cell in sentences.cells(rows)
    )
