"""Test accuracy by model and method: every seed, and the mean with its interval over seeds."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style

GROUP = 0.8  # width of the series of one model, as a part of the distance between models


def limits(accuracies: pd.Series, cells: pd.DataFrame) -> tuple[float, float]:
    """Ends of the axis: around all seeds; intervals may widen it, but not squash them."""
    accuracies = accuracies.dropna()
    if accuracies.empty:
        return 0, 100
    bottom, top = accuracies.min(), accuracies.max()
    room = max(0.5 * (top - bottom), 0.25)
    bottom = max(bottom - room, min([bottom, *cells["low"].dropna()]))
    top = min(top + room, max([top, *cells["high"].dropna()]))
    margin = max(0.05 * (top - bottom), 0.05)
    return max(bottom - margin, 0), min(top + margin, 100)


def draw_interval(axes: Axes, x: float, cell: pd.Series, colour: str) -> bool:
    """Draw the interval as far as the axis goes; whether an end of it is cut."""
    bottom, top = axes.get_ylim()
    cut = False
    for end, edge, arrow in ((cell["low"], bottom, "v"), (cell["high"], top, "^")):
        beyond = end < bottom or end > top
        shown = edge if beyond else end
        axes.plot([x, x], [cell["mean"], shown], color=colour, linewidth=1, solid_capstyle="butt")
        mark = arrow if beyond else "_"
        axes.plot(x, shown, mark, color=colour, markersize=4, clip_on=False)
        cut |= beyond
    return cut


def annotate_divergence(axes: Axes, x: float, text: str, colour: str) -> None:
    """Write below the name of the model, where no point can be."""
    axes.annotate(
        text, (x, 0), (0, -16), xycoords=axes.get_xaxis_transform(), textcoords="offset points",
        rotation=90, ha="center", va="top", ma="center", fontsize=7, color=colour,
    )  # fmt: skip


def draw_cell(
    axes: Axes, x: float, slot: float, points: pd.Series, cell: pd.Series, look: dict
) -> bool:
    """Draw one series of one model around x; whether its interval is cut."""
    colour, marker = look["color"], look["marker"]
    if cell["diverged"]:
        text = f"{cell['diverged']} of {len(points)}\ndiverged"
        annotate_divergence(axes, x, text, colour)
    if cell["n"] == 0:
        return False
    if cell["n"] > 1:
        seeds = points.dropna()
        axes.plot(
            [x - 0.28 * slot] * len(seeds), seeds, marker, color=colour, markersize=3, alpha=0.45,
            markeredgewidth=0, clip_on=False, linestyle="none",
        )  # fmt: skip
        x += 0.17 * slot
    axes.plot(x, cell["mean"], marker, color=colour, markersize=4.5, clip_on=False)
    return cell["n"] > 1 and draw_interval(axes, x, cell, colour)


def draw_panel(axes: Axes, runs: pd.DataFrame, summary: pd.DataFrame, looks: dict) -> bool:
    """Draw one dataset; whether an interval is cut."""
    models = style.ordered(summary["model"])
    slot = GROUP / len(looks)
    axes.set_ylim(limits(runs["test_accuracy"], summary))
    cut = False
    for _, cell in summary.iterrows():
        series = cell["method"], cell["variant"]
        offset = (list(looks).index(series) - (len(looks) - 1) / 2) * slot
        points = style.pick(runs, model=cell["model"], method=series[0], variant=series[1])
        x = models.index(cell["model"]) + offset
        cut |= draw_cell(axes, x, slot, points["test_accuracy"], cell, looks[series])
    axes.set_xticks(range(len(models)), [style.label(model) for model in models])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(models) - 0.5)
    return cut


def explanation(summary: pd.DataFrame, is_cut: bool) -> str:
    """What points, intervals and n are."""
    counts = summary["n"][summary["n"] > 0]
    if counts.empty or counts.max() == 1:
        return "Points: one seed each (n = 1)."
    text = f"Small points: seeds (n = {style.count(counts)}). "
    text += "Large: mean with its 95 % Student t interval over seeds."
    return text + (" Arrowhead: the interval goes on beyond the axis." if is_cut else "")


def draw(runs: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """One panel a dataset."""
    datasets = style.ordered(summary["dataset"])
    looks = style.looks(style.all_series(summary))
    models = style.ordered(summary["model"])
    names = 0.075 * len(models) * max(len(style.label(model)) for model in models)  # inches
    is_small = names < 2.8 and len(models) * len(looks) <= 18
    figure, panels = style.panels(
        [style.label(dataset) for dataset in datasets],
        columns=2 if is_small and len(datasets) > 1 else 1,
        size=(
            style.COLUMN if is_small and len(datasets) == 1 else style.PAGE,
            2.3 if summary["diverged"].any() else 1.9,
        ),
        y="Test accuracy (%)",
    )
    is_cut = False
    for axes, dataset in zip(panels, datasets, strict=True):
        cells = style.pick(summary, dataset=dataset)
        is_cut |= draw_panel(axes, style.pick(runs, dataset=dataset), cells, looks)
    handles = [
        style.handle(series, look, linestyle="none", markersize=6) for series, look in looks.items()
    ]
    style.legend(figure, handles)
    style.note(figure, explanation(summary, is_cut))
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Read runs.csv and summary.csv, write the figure."""
    style.command(draw, ("runs", "summary"), arguments)


if __name__ == "__main__":
    main()
