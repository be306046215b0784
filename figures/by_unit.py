"""A metric of every unit, after the last epoch, against its position: drawn for several figures."""

from figures import names, style

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from svp_core import tables

POINT = {"x": "unit", "y": "value", "legend": False}


def last_epochs(metrics: pd.DataFrame, *wanted: str) -> pd.DataFrame:
    """The values of these metrics of units after the last epoch of each run."""
    rows = metrics[metrics["metric"].isin(wanted) & metrics["value"].notna()]
    rows = rows[rows["epoch"] == rows.groupby(tables.RUN)["epoch"].transform("max")]
    return rows.astype({"unit": int, "units": int})


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
