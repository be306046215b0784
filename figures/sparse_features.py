"""Sparse dictionaries of what units tell: what they explain, which features are dead, which pure.

One column a dataset and model. Against the unit, 1 next to the image: share of the variance of the
test images' activations phi(h) that is reconstructed, share of features that no training image
activates, and share of a feature's main class in what activates it. A colour is a training method,
a dash a kind of dictionary, variational ones by the weight of their KL. Lines: mean of the seeds;
bars: their range.
"""

from figures import names, sentences, style

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

VALUES = {"explained": "Explained variance", "dead": "Dead features", "purity": "Class purity"}


def kinds(rows: pd.DataFrame) -> pd.Series:
    """How the figure calls the dictionary of every row."""
    weights = rows["kl_weight"].map("KL {:g}".format)
    return weights.where(rows["dictionary"] == "variational", "top k")


def ends(values: pd.Series) -> tuple[float, float]:
    """The range of the seeds; the mean of equal values, which may be rounded, is in it."""
    middle = values.mean()
    return min(values.min(), middle), max(values.max(), middle)


def draw_panel(axes: Axes, rows: pd.DataFrame, value: str, looks: dict, dashes: dict) -> None:
    """Draw one measure of every method and kind of dictionary against the unit."""
    for (method, kind), part in rows.groupby(["method", "kind"]):
        look = {"color": looks[method], "linestyle": dashes[kind], "markersize": 3, "marker": "o"}
        bars = {"errorbar": ends, "err_style": "bars", "legend": False}
        sns.lineplot(part, x="unit", y=value, ax=axes, markeredgewidth=0, **bars, **look)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def draw(table: pd.DataFrame) -> Figure:
    """A row of panels a measure, a column a dataset and model."""
    rows = style.pick(table, activation="h").assign(variant="default")
    rows = rows.assign(kind=kinds(rows))
    tasks = names.tasks(rows)
    titles = [names.task_label(*one[:2]) for one in tasks] + [""] * (2 * len(tasks))
    width = style.COLUMN if len(tasks) == 1 else style.PAGE
    figure, axes = style.panels(titles, len(tasks), (width, 1.4))
    looks = {method: one["color"] for (method, _), one in style.looks(rows).items()}
    every = sorted(rows["kind"].unique(), key=lambda one: (one != "top k", names.natural(one)))
    dashes = dict(zip(every, ["-", "--", ":", "-."] * len(every), strict=False))
    places = [(value, part) for value in VALUES for _, _, part in tasks]
    for panel, (value, part) in zip(axes, places, strict=True):
        draw_panel(panel, part, value, looks, dashes)
    style.name_axes(figure, x="Unit")
    for panel, (value, _) in zip(axes, places, strict=True):
        panel.set_ylabel(VALUES[value])
    handles = [Line2D([], [], color=one, label=names.label(m)) for m, one in looks.items()]
    handles += [Line2D([], [], color="0.4", linestyle=d, label=k) for k, d in dashes.items()]
    style.legend(figure, handles)
    seeds = f"Lines: mean of {rows['seed'].nunique()} seeds. Bars: their range."
    style.note(figure, f"{seeds} KL: variational dictionaries, by its weight.")
    return figure


def describe(table: pd.DataFrame) -> str:
    """Means over seeds and units of every method and kind of dictionary."""
    rows = style.pick(table, activation="h")

    def part(one: tuple, values: pd.DataFrame) -> str:
        numbers = ", ".join(f"{value} {values[value].mean():.2f}" for value in VALUES)
        return f"{names.label(one[0])} {one[1]}: {numbers}"

    return sentences.text(
        sentences.sentence(
            names.task_label(dataset, model),
            [part(*one) for one in of_task.groupby(["method", kinds(of_task)])],
        )
        for dataset, model, of_task in names.tasks(rows)
    )


def main(arguments: list[str] | None = None) -> None:
    """Read sparse_features.csv, write the figure."""
    style.command(draw, describe, ("sparse_features",), arguments)


if __name__ == "__main__":
    main()
