"""Test accuracy against what a run spends: what figures of it share.

Small points are seeds, large ones their mean. No series has a mean that is more accurate for less
than one on the grey line, the front.
"""

from collections.abc import Iterator
from typing import NamedTuple

from figures import names, scales, sentences, style

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, Formatter, LogLocator, StrMethodFormatter
from svp_core import tables

FEW = 8  # a factor that an axis spans below which narrow panels have room for few numbers
Y = "test_accuracy"


class Spent(NamedTuple):
    """A column of the table of runs, over a unit, and what figures and sentences call it."""

    column: str
    unit: float
    title: str
    word: str
    formatter: Formatter


FLOPS = Spent("train_flops", 1, "FLOPs of the training", "FLOPs", EngFormatter())
MEMORY = Spent(
    "peak_memory_bytes", style.MIB, "Peak memory of a step (MiB)", "memory",
    StrMethodFormatter("{x:g}"),
)  # fmt: skip
TENSORS = MEMORY._replace(column="tensor_bytes", title="Peak of a step's tensors (MiB)")


def memory(runs: pd.DataFrame) -> Spent:
    """What was measured, or where allocators and tensors were, what all devices tell alike."""
    completed = style.pick(runs, status="completed")
    return MEMORY if completed["peak_memory_source"].nunique() < 2 else TENSORS


def known(runs: pd.DataFrame, spent: Spent) -> pd.DataFrame:
    """The completed runs with what they spent in its unit; a logarithm needs some."""
    completed = style.pick(runs, status="completed").astype({spent.column: float})
    completed[spent.column] /= spent.unit
    return completed[completed[spent.column] > 0]


def draw_series(axes: Axes, runs: pd.DataFrame, x: str, look: dict) -> None:
    """Draw the seeds of one series as small points, their mean as a large one."""
    colour, place = look["color"], {"marker": look["marker"], "ax": axes, "legend": False}
    small = {"s": 7, "alpha": 0.5, "linewidth": 0, "color": colour}
    if len(runs) > 1:
        sns.scatterplot(runs, x=x, y=Y, **place, **small)
    mean = runs[[x, Y]].mean().to_frame().T
    large = {"s": 49, "facecolor": "none", "edgecolor": colour, "linewidth": 1}
    sns.scatterplot(mean, x=x, y=Y, **place, **large)


def front(part: pd.DataFrame, x: str) -> pd.DataFrame:
    """The means that no other series' is above for as little or less, from left to right."""
    means = part.groupby(tables.SERIES)[[x, Y]].mean().sort_values([x, Y], ascending=[True, False])
    best = means[Y].cummax()
    return means[best > best.shift(fill_value=float("-inf"))]


def draw_front(axes: Axes, part: pd.DataFrame, x: str) -> None:
    """Draw the front as a step line from the lower to the right border."""
    best, limits = front(part, x), (axes.get_xlim(), axes.get_ylim())
    (_, right), (bottom, _) = limits
    places = [best[x].iloc[0], *best[x], right], [bottom, *best[Y], best[Y].iloc[-1]]
    axes.step(*places, where="post", color="0.6", linewidth=0.8, zorder=0)
    axes.set(xlim=limits[0], ylim=limits[1])


def near(part: pd.DataFrame) -> pd.DataFrame:
    """The runs without series so far below most others that these would not be told apart.

    That is below the outer fence of the means, three interquartile ranges, of a point at least,
    under the lower quartile.
    """
    means = part.groupby(tables.SERIES)[Y].mean()
    lower, upper = means.quantile([0.25, 0.75])
    kept = means[means >= lower - 3 * max(upper - lower, 1)]
    return part[pd.MultiIndex.from_frame(part[tables.SERIES]).isin(kept.index)]


def explanation(runs: pd.DataFrame, completed: pd.DataFrame, far: int) -> str:
    """What points and line are, n, and how many runs have none."""
    text = f"Small points: seeds (n = {names.seeds(completed)}). Large: their mean."
    text += " Line: front of the means."
    diverged = len(runs) - len(completed)
    text += f" Not shown: {diverged} diverged." if diverged else ""
    return text + (f" Far below the axes: {far} means." if far else "")


def draw(runs: pd.DataFrame, spent: Spent) -> Figure:
    """One panel a dataset and model."""
    completed = known(runs, spent)
    if completed.empty:
        return style.nothing("No training completed.")
    looks = style.looks(runs, completed)
    figure, panels = style.dataset_model_panels(completed)
    far = 0
    for axes, part in panels:
        shown = near(part)
        far += len(names.all_series(part)) - len(names.all_series(shown))
        for (method, variant), rows in shown.groupby(tables.SERIES):
            draw_series(axes, rows, spent.column, looks[method, variant])
        axes.grid(axis="x")
        axes.margins(y=0.12)
        scales.log_axis(axes.xaxis, room=0.2, least=3)
        low, high = axes.get_xlim()
        if high / low < FEW:
            axes.xaxis.set_major_locator(LogLocator(10, (1, 2, 5)))
        axes.xaxis.set_major_formatter(spent.formatter)
        draw_front(axes, part, spent.column)
    style.name_axes(figure, spent.title, "Test accuracy (%)")
    marks = {"linestyle": "none", "markersize": 6, "markerfacecolor": "none"}
    style.legend(figure, [style.handle(*one, **marks) for one in looks.items()])
    style.note(figure, explanation(runs, completed, far))
    return figure


def describe(runs: pd.DataFrame, spent: Spent) -> str:
    """Accuracy and what was spent, as a part of that of the first series."""

    def parts(rows: pd.DataFrame) -> Iterator[str]:
        first = None
        for name, series in sentences.of_series(rows):
            price, accuracy = series[spent.column].mean(), series[Y].mean()
            first = first or (name, price)
            part = f"{price / first[1]:.2f} of {first[0]}'s {spent.word}"
            yield f"{name} {accuracy:.2f} % at {part}"

    return sentences.text(
        sentences.sentence(cell, parts(rows)) for cell, rows in sentences.cells(known(runs, spent))
    )
