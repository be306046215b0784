"""Accuracy of each unit's own prediction against that of a linear probe of its activations.

Does a unit's prediction use what its activations hold? Accuracy of each unit's own prediction
against that of a linear probe of the same activations, after the last epoch, in per cent of test
images; the probe is ridge regression on some of them, each scored by a fit to the others: fewer
images than a unit was trained on. A point is a unit, a mean over seeds, the larger the later; a
line joins the units of a series. Small points are seeds. On the diagonal the two are as accurate;
below it the activations hold more than the unit reads. A method that trains the whole network by
one loss has one point.
"""

from figures import by_unit, names, sentences, style

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from svp_core import tables

ACCURACY, PROBE = "unit_accuracy", "unit_probe"


def pairs(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row a unit of a run that has both accuracies."""
    rows = by_unit.last_epochs(metrics, ACCURACY, PROBE)
    # the one prediction of a network is read from its last activation
    layers = style.pick(rows, metric=PROBE).groupby(tables.RUN)["unit"].transform("max")
    is_whole = (rows["units"] == 1) & (rows["metric"] == PROBE)
    rows = rows[~is_whole | (rows["unit"] == layers.reindex(rows.index))]
    rows = rows.assign(unit=rows["unit"].mask(rows["units"] == 1, 1))
    wide = rows.pivot(index=[*tables.RUN, "unit"], columns="metric", values="value")
    return wide.reindex(columns=[ACCURACY, PROBE]).dropna().reset_index()


def draw_panel(axes: Axes, part: pd.DataFrame, looks: dict) -> None:
    """Draw the seeds and means of every series, and the diagonal."""
    low = min(part[ACCURACY].min(), part[PROBE].min())
    high = max(part[ACCURACY].max(), part[PROBE].max())
    axes.axline((high, high), slope=1, color="0.7", linewidth=0.6, zorder=1)
    for (method, variant), look in looks.items():
        series = style.pick(part, method=method, variant=variant)
        place = {"x": PROBE, "y": ACCURACY, "ax": axes, "legend": False, "color": look["color"]}
        mean = series.groupby("unit", as_index=False)[[PROBE, ACCURACY]].mean()
        axes.plot(mean[PROBE], mean[ACCURACY], color=look["color"], linewidth=0.8)
        marker = {"marker": look["marker"], "linewidth": 0}
        sns.scatterplot(series, s=6, alpha=0.35, **place, **marker)
        sns.scatterplot(mean, size="unit", sizes=(14, 48), **place, **marker)
    margin = 0.05 * max(high - low, 1)
    axes.set(xlim=(part[PROBE].min() - margin, part[PROBE].max() + margin))
    axes.grid(axis="x")


def draw(metrics: pd.DataFrame) -> Figure:
    """One panel a dataset and model."""
    rows = pairs(metrics)
    if rows.empty:
        return style.nothing("No run has the metric probe.")
    looks = style.looks(metrics, rows)
    figure, panels = style.dataset_model_panels(rows, 2.0)
    for axes, part in panels:
        draw_panel(axes, part, looks)
    style.name_axes(figure, "Probe accuracy (%)", "Unit accuracy (%)")
    marks = {"markersize": 5, "linewidth": 0.8, "linestyle": "-"}
    style.legend(figure, [style.handle(*one, **marks) for one in looks.items()])
    style.note(
        figure,
        f"Large points: units, means over seeds (n = {names.seeds(rows)}); the larger, the later. "
        "Small: seeds. Grey: the diagonal.",
    )
    return figure


def describe(metrics: pd.DataFrame) -> str:
    """Both accuracies of the last unit of every series."""

    def part(name: str, rows: pd.DataFrame) -> str:
        last = rows[rows["unit"] == rows["unit"].max()]
        return f"{name} {last[ACCURACY].mean():.1f}, its probe {last[PROBE].mean():.1f}"

    return sentences.text(
        sentences.sentence(f"{cell}, last unit", (part(*one) for one in sentences.of_series(rows)))
        for cell, rows in sentences.cells(pairs(metrics))
    )


def main(arguments: list[str] | None = None) -> None:
    """Read metrics.csv, write the figure."""
    style.command(draw, describe, ("metrics",), arguments)


if __name__ == "__main__":
    main()
