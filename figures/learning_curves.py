"""Test accuracy against epoch: a thin line a seed, a thick one for the mean of the completed."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from figures import style

EARLY = 0.2  # part of the epochs whose low accuracies the axis may cut off


def bottom(curves: pd.DataFrame) -> float:
    """Lower end of the axis: just below all that completed runs reach after the early epochs."""
    completed = style.pick(curves, status="completed")
    shown = completed if len(completed) else curves
    late = shown[shown["epoch"] > EARLY * shown["epoch"].max()]["test_accuracy"]
    return late.min() - 0.05 * (shown["test_accuracy"].max() - late.min()) - 0.1


def draw_series(axes: Axes, curves: pd.DataFrame, look: dict) -> None:
    """Draw the seeds of one series, the mean of the completed, and a cross at each divergence."""
    colour = look["color"]
    for _, run in curves.groupby("seed"):
        axes.plot(run["epoch"], run["test_accuracy"], color=colour, linewidth=0.5, alpha=0.5)
    mean = style.pick(curves, status="completed").groupby("epoch")["test_accuracy"].mean()
    axes.plot(mean.index, mean, **look, markevery=[-1], markersize=4)
    for _, end in style.pick(curves, status="diverged").groupby("seed").last().iterrows():
        height = max(end["test_accuracy"], axes.get_ylim()[0])
        axes.plot(end["epoch"], height, "x", color=colour, markersize=5, clip_on=False)


def explanation(curves: pd.DataFrame, is_cut: bool) -> str:
    """What lines and crosses are, and n."""
    text = f"Thin: seeds (n = {style.seeds(curves)}). Thick: mean of those that completed."
    if (curves["status"] == "diverged").any():
        text += " Cross: the run diverged."
    return text + (" The lowest accuracies are cut off." if is_cut else "")


def draw(curves: pd.DataFrame) -> Figure:
    """One panel a dataset and model."""
    looks = style.looks(style.all_series(curves))
    figure, panels = style.dataset_model_panels(curves, x="Epoch", y="Test accuracy (%)")
    is_cut = False
    for axes, part in panels:
        low, high = bottom(part), part["test_accuracy"].max()
        axes.set_ylim(low, min(high + 0.08 * (high - low), 101))  # room for the last marker
        axes.set_xlim(0, 1.05 * part["epoch"].max())
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        for (method, variant), look in looks.items():
            draw_series(axes, style.pick(part, method=method, variant=variant), look)
        is_cut |= part["test_accuracy"].min() < low
    style.legend(figure, [style.handle(series, look) for series, look in looks.items()])
    style.note(figure, explanation(curves, is_cut))
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Read curves.csv, write the figure."""
    style.command(draw, ("curves",), arguments)


if __name__ == "__main__":
    main()
