"""Test accuracy while training: a thin line a seed, a thick one for the mean of the completed.

In per cent of the test images, against epoch; n is stated below the panels. A cross marks the epoch
in which a run diverged; at the lower axis, its accuracy lies below it.
"""

from figures import names, sentences, style

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

EARLY = 0.2  # part of the epochs whose low accuracies the axis may cut off
POINT = {"x": "epoch", "y": "test_accuracy", "legend": False}


def bottom(curves: pd.DataFrame) -> float:
    """Lower end of the axis: just below all that completed runs reach after the early epochs."""
    completed = style.pick(curves, status="completed")
    shown = completed if len(completed) else curves
    late = shown[shown["epoch"] > EARLY * shown["epoch"].max()]["test_accuracy"]
    return late.min() - 0.05 * (shown["test_accuracy"].max() - late.min()) - 0.1


def draw_series(axes: Axes, curves: pd.DataFrame, look: dict) -> None:
    """Draw the seeds of one series, the mean of the completed, and a cross at each divergence."""
    thin = {"color": look["color"], "linewidth": 0.5, "alpha": 0.5}
    sns.lineplot(curves, units="seed", estimator=None, ax=axes, **POINT, **thin)
    completed = style.pick(curves, status="completed")
    if len(completed):
        last = {"markevery": [-1], "markersize": 4, "markeredgewidth": 0}
        sns.lineplot(completed, errorbar=None, ax=axes, **POINT, **look, **last)
    for _, end in style.pick(curves, status="diverged").groupby("seed").last().iterrows():
        height = max(end["test_accuracy"], axes.get_ylim()[0])
        axes.plot(end["epoch"], height, "x", color=look["color"], markersize=5, clip_on=False)


def explanation(curves: pd.DataFrame, is_cut: bool) -> str:
    """What lines and crosses are, and n."""
    text = f"Thin: seeds (n = {names.seeds(curves)})."
    is_completed = (curves["status"] == "completed").any()
    text += " Thick: mean of those that completed." if is_completed else " No run completed."
    if (curves["status"] == "diverged").any():
        text += " Cross: the run diverged."
    return text + (" The lowest accuracies are cut off." if is_cut else "")


def draw(curves: pd.DataFrame) -> Figure:
    """One panel a dataset and model."""
    looks = style.looks(curves)
    figure, panels = style.dataset_model_panels(curves)
    is_cut = False
    for axes, part in panels:
        low, high = bottom(part), part["test_accuracy"].max()
        axes.set_ylim(low, min(high + 0.08 * (high - low), 101))  # room for the last marker
        axes.set_xlim(0, 1.05 * part["epoch"].max())
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        for method, variant in names.all_series(part):
            rows = style.pick(part, method=method, variant=variant)
            draw_series(axes, rows, looks[method, variant])
        is_cut |= part["test_accuracy"].min() < low
    style.name_axes(figure, "Epoch", "Test accuracy (%)")
    style.legend(figure, [style.handle(series, look) for series, look in looks.items()])
    style.note(figure, explanation(curves, is_cut))
    return figure


def describe(curves: pd.DataFrame) -> str:
    """Mean accuracies after the first and the last epoch."""

    def part(name: str, rows: pd.DataFrame) -> str:
        means = style.pick(rows, status="completed").groupby("epoch")["test_accuracy"].mean()
        if means.empty:
            return f"{name} diverged"
        return f"{name} from {means.iloc[0]:.1f} after epoch 1 to {means.iloc[-1]:.1f}"

    return sentences.text(
        sentences.sentence(cell, (part(*one) for one in sentences.of_series(rows)))
        for cell, rows in sentences.cells(curves)
    )


def main(arguments: list[str] | None = None) -> None:
    """Read curves.csv, write the figure."""
    style.command(draw, describe, ("curves",), arguments)


if __name__ == "__main__":
    main()
