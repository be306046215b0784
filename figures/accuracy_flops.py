"""Test accuracy against the FLOPs of the whole training: every seed, and the mean."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from figures import scales, style


def draw_series(axes: Axes, runs: pd.DataFrame, look: dict) -> None:
    """Draw the seeds of one series as small points, their mean as a large one."""
    look = {"color": look["color"], "marker": look["marker"], "linestyle": "none"}
    flops, accuracy = runs["train_flops"].astype(float), runs["test_accuracy"]
    if len(runs) > 1:
        axes.plot(flops, accuracy, **look, markersize=2.5, alpha=0.5, markeredgewidth=0)
    axes.plot(flops.mean(), accuracy.mean(), **look, markersize=7, markerfacecolor="none")


def explanation(runs: pd.DataFrame, completed: pd.DataFrame) -> str:
    """What points are, n, and how many runs have none."""
    text = f"Small points: seeds (n = {style.seeds(completed)}). Large: their mean."
    diverged = len(runs) - len(completed)
    return text + (f" Not shown: {diverged} diverged." if diverged else "")


def draw(runs: pd.DataFrame) -> Figure:
    """One panel a dataset and model."""
    completed = style.pick(runs, status="completed")
    completed = completed[completed["train_flops"] > 0]  # a logarithm needs some
    if completed.empty:
        return style.nothing("No training completed.")
    looks = style.looks(style.all_series(completed))
    x, y = "FLOPs of the training", "Test accuracy (%)"
    figure, panels = style.dataset_model_panels(completed, x, y)
    for axes, part in panels:
        for (method, variant), look in looks.items():
            rows = style.pick(part, method=method, variant=variant)
            if len(rows):
                draw_series(axes, rows, look)
        axes.grid(axis="x")
        axes.margins(y=0.12)
        scales.log_axis(axes.xaxis, room=0.2, least=2)
        axes.xaxis.set_major_formatter(EngFormatter())
    handles = [
        style.handle(*one, linestyle="none", markersize=6, markerfacecolor="none")
        for one in looks.items()
    ]
    style.legend(figure, handles)
    style.note(figure, explanation(runs, completed))
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Read runs.csv, write the figure."""
    style.command(draw, ("runs",), arguments)


if __name__ == "__main__":
    main()
