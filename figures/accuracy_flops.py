"""Test accuracy against the FLOPs of the whole training: every seed, and the mean.

In per cent of the test images, against the floating-point operations of all training steps on a
logarithmic axis, one panel a dataset and model. Small points are seeds, large ones their mean; n is
stated below the panels. Upper left is best: more accuracy for less work. Diverged runs are counted
below and not drawn.
"""

from collections.abc import Iterator

from figures import names, scales, sentences, style

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator
from svp_core import tables

FEW = 8  # a factor that an axis spans below which narrow panels have room for few numbers
POINT = {"x": "train_flops", "y": "test_accuracy", "legend": False}


def draw_series(axes: Axes, runs: pd.DataFrame, look: dict) -> None:
    """Draw the seeds of one series as small points, their mean as a large one."""
    colour, place = look["color"], {"marker": look["marker"], "ax": axes}
    small = {"s": 7, "alpha": 0.5, "linewidth": 0, "color": colour}
    if len(runs) > 1:
        sns.scatterplot(runs, **POINT, **place, **small)
    mean = runs[[POINT["x"], POINT["y"]]].mean().to_frame().T
    large = {"s": 49, "facecolor": "none", "edgecolor": colour, "linewidth": 1}
    sns.scatterplot(mean, **POINT, **place, **large)


def explanation(runs: pd.DataFrame, completed: pd.DataFrame) -> str:
    """What points are, n, and how many runs have none."""
    text = f"Small points: seeds (n = {names.seeds(completed)}). Large: their mean."
    diverged = len(runs) - len(completed)
    return text + (f" Not shown: {diverged} diverged." if diverged else "")


def draw(runs: pd.DataFrame) -> Figure:
    """One panel a dataset and model."""
    completed = style.pick(runs, status="completed").astype({"train_flops": float})
    completed = completed[completed["train_flops"] > 0]  # a logarithm needs some
    if completed.empty:
        return style.nothing("No training completed.")
    looks = style.looks(runs, completed)
    figure, panels = style.dataset_model_panels(completed)
    for axes, part in panels:
        for (method, variant), rows in part.groupby(tables.SERIES):
            draw_series(axes, rows, looks[method, variant])
        axes.grid(axis="x")
        axes.margins(y=0.12)
        scales.log_axis(axes.xaxis, room=0.2, least=3)
        low, high = axes.get_xlim()
        if high / low < FEW:
            axes.xaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter())
    style.name_axes(figure, "FLOPs of the training", "Test accuracy (%)")
    marks = {"linestyle": "none", "markersize": 6, "markerfacecolor": "none"}
    style.legend(figure, [style.handle(*one, **marks) for one in looks.items()])
    style.note(figure, explanation(runs, completed))
    return figure


def describe(runs: pd.DataFrame) -> str:
    """Accuracy and work, work as a part of that of the first series."""

    def parts(rows: pd.DataFrame) -> Iterator[str]:
        first = None
        for name, series in sentences.of_series(rows):
            flops, accuracy = series["train_flops"].mean(), series["test_accuracy"].mean()
            first = first or (name, flops)
            yield f"{name} {accuracy:.2f} % at {flops / first[1]:.2f} of {first[0]}'s FLOPs"

    completed = style.pick(runs, status="completed").astype({"train_flops": float})
    return sentences.text(
        sentences.sentence(cell, parts(rows)) for cell, rows in sentences.cells(completed)
    )


def main(arguments: list[str] | None = None) -> None:
    """Read runs.csv, write the figure."""
    style.command(draw, describe, ("runs",), arguments)


if __name__ == "__main__":
    main()
