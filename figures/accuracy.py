"""Test accuracy by model and method: every seed, and the mean with its interval over seeds.

In per cent of the test images, one panel a dataset. Small points are seeds, large ones their mean
with its 95 % Student t interval over seeds; n is stated below the panels. Diverged runs are counted
below the axis and in no mean. Where an interval is wider than the axis, an arrowhead marks the end
that is cut off.
"""

from figures import intervals, names, sentences, style

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

GROUP = 0.8  # width of the series of one model, as a part of the distance between models
CELL = ["model", "method", "variant"]


def annotate_divergence(axes: Axes, x: float, text: str, colour) -> None:
    """Write below the name of the model, where no point can be."""
    axes.annotate(
        text, (x, 0), (0, -16), xycoords=axes.get_xaxis_transform(), textcoords="offset points",
        rotation=90, ha="center", va="top", ma="center", fontsize=7, color=colour,
    )  # fmt: skip


def draw_panel(axes: Axes, runs: pd.DataFrame, summary: pd.DataFrame, looks: dict) -> bool:
    """Draw one dataset; whether an interval is cut."""
    models = names.ordered(summary["model"])
    slot = GROUP / len(looks)
    axes.set_ylim(intervals.limits(runs["test_accuracy"], [runs[n] for n in CELL]))
    is_cut = False
    for place, ((method, variant), look) in enumerate(looks.items()):
        offset = (place - (len(looks) - 1) / 2) * slot
        points = style.pick(runs, method=method, variant=variant)
        x = points["model"].map(models.index).astype(float) + offset
        is_cut |= intervals.draw(axes, x, points["test_accuracy"], look, slot)
        for _, cell in style.pick(summary, method=method, variant=variant).iterrows():
            if cell["diverged"]:
                text = f"{cell['diverged']} of {cell['n'] + cell['diverged']}\ndiverged"
                here = models.index(cell["model"]) + offset
                annotate_divergence(axes, here, text, look["color"])
    axes.set_xticks(range(len(models)), [names.label(model) for model in models])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(models) - 0.5)
    return is_cut


def explanation(summary: pd.DataFrame, is_cut: bool) -> str:
    """What points, intervals and n are."""
    counts = summary["n"][summary["n"] > 0]
    if counts.empty:
        return "No run completed."
    if counts.max() == 1:
        return "Points: one seed each (n = 1)."
    text = f"Small points: seeds (n = {names.count(counts)}). "
    text += "Large: mean with its 95 % Student t interval over seeds."
    return text + (" Arrowhead: the interval goes on beyond the axis." if is_cut else "")


def draw(runs: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """One panel a dataset."""
    datasets, models = names.ordered(summary["dataset"]), names.ordered(summary["model"])
    looks = style.looks(summary)
    width = 0.075 * len(models) * max(len(names.label(model)) for model in models)  # inches
    is_small = width < 2.8 and len(models) * len(looks) <= 18
    figure, panels = style.panels(
        [names.label(dataset) for dataset in datasets],
        columns=2 if is_small and len(datasets) > 1 else 1,
        size=(
            style.COLUMN if is_small and len(datasets) == 1 else style.PAGE,
            2.3 if summary["diverged"].any() else 1.9,
        ),
    )
    is_cut = False
    for axes, dataset in zip(panels, datasets, strict=True):
        cells = style.pick(summary, dataset=dataset)
        is_cut |= draw_panel(axes, style.pick(runs, dataset=dataset), cells, looks)
    style.name_axes(figure, y="Test accuracy (%)")
    marks = {"linestyle": "none", "markersize": 6}
    style.legend(figure, [style.handle(*one, **marks) for one in looks.items()])
    style.note(figure, explanation(summary, is_cut))
    return figure


def describe(runs: pd.DataFrame, summary: pd.DataFrame) -> str:
    """The means of every cell, and differences to the baseline."""

    def part(name: str, rows: pd.DataFrame) -> str:
        row = rows.iloc[0]
        ends = row["paired_difference_low"], row["paired_difference_high"]
        if pd.isna(row["mean"]):
            return f"{name} diverged"
        if pd.isna(row["paired_difference"]):
            return f"{name} {row['mean']:.2f}"
        interval = "" if pd.isna(ends[0]) else f" [{ends[0]:+.2f}, {ends[1]:+.2f}]"
        return f"{name} {row['mean']:.2f}, {row['paired_difference']:+.2f}{interval}"

    found = sentences.text(
        sentences.sentence(cell, (part(*one) for one in sentences.of_series(rows)))
        for cell, rows in sentences.cells(summary)
    )
    baseline = names.label(summary["baseline"].iloc[0])
    return f"Mean test accuracy (%), and its difference to {baseline} at equal seeds.\n{found}"


def main(arguments: list[str] | None = None) -> None:
    """Read runs.csv and summary.csv, write the figure."""
    style.command(draw, describe, ("runs", "summary"), arguments)


if __name__ == "__main__":
    main()
