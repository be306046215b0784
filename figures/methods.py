"""What methods come to on one network: test accuracy, memory, operations and time.

Points: seeds; lines: their mean with its 95 % Student t interval. Accuracy in per cent of the test
images; peak memory of the tensors of a training step; operations and seconds of all training steps.
Diverged runs are counted below and not drawn.
"""

from figures import names, sentences, style

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from svp_core import tables
from svp_core.tables.statistics import ends

PANELS = {  # columns, by what their axes say, and the unit
    "Test accuracy (%)": ("test_accuracy", 1),
    "Peak memory (MiB)": ("tensor_bytes", style.MIB),
    "GFLOPs of the training": ("train_flops", 1e9),
    "Seconds of the training": ("train_seconds", 1),
}
MEAN = {"marker": "|", "markersize": 8, "markeredgewidth": 1.5, "linewidth": 1}


def draw(runs: pd.DataFrame) -> Figure:
    """A panel a quantity, a row a series."""
    completed = style.pick(runs, status="completed")
    if completed.empty:
        return style.nothing("No training completed.")
    looks = style.looks(runs, completed)
    series = [names.series_label(one) for one in looks]
    height = 0.5 + 0.22 * len(series)
    figure, panels = style.panels([""] * len(PANELS), 2, (style.PAGE, height))
    rows = [names.series_label(one) for one in completed[tables.SERIES].itertuples(index=False)]
    colours = dict(zip(series, (look["color"] for look in looks.values()), strict=True))
    for axes, (label, (column, unit)) in zip(panels, PANELS.items(), strict=True):
        place = {"x": completed[column].astype(float) / unit, "y": rows, "ax": axes}
        looked = {"hue": rows, "palette": colours, "order": series, "legend": False}
        sns.stripplot(**place, **looked, size=3, alpha=0.6, jitter=False)
        sns.pointplot(**place, **looked, errorbar=ends, linestyle="none", **MEAN)
        axes.set_xlabel(label)
        axes.set_ylabel("")
        axes.grid(axis="x")
        axes.margins(x=0.15)
        if column != "test_accuracy":
            axes.set_xlim(left=0)
    diverged = len(runs) - len(completed)
    text = f"Points: seeds (n = {names.seeds(completed)}). Lines: mean, 95 % interval."
    style.note(figure, text + (f" Not shown: {diverged} diverged." if diverged else ""))
    return figure


def describe(runs: pd.DataFrame) -> str:
    """The means of every series."""

    def part(name: str, rows: pd.DataFrame) -> str:
        means = {column: rows[column].mean() / unit for column, unit in PANELS.values()}
        accuracy, memory, work, seconds = means.values()
        return f"{name} {accuracy:.2f} %, {memory:.1f} MiB, {work:.3g} GFLOP, {seconds:.3g} s"

    completed = style.pick(runs, status="completed")
    return sentences.sentence("Means", (part(*one) for one in sentences.of_series(completed)))


def main(arguments: list[str] | None = None) -> None:
    """Read runs.csv, write the figure."""
    style.command(draw, describe, ("runs",), arguments)


if __name__ == "__main__":
    main()
