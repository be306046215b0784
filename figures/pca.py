"""Activations of every unit along their two main axes, by class.

When do the classes come apart? The activations of every unit on the same test images along their
two main axes (PCA), a point an image, its colour the class. One row a network, of the lowest seed
of its series, and one column a unit, 1 next to the image; of many units six, at equal distances. In
the corner: how much of the variance the two axes hold, in per cent. Axes are scaled alike within a
panel, and differ between panels.
"""

from figures import names, sentences, style

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

MOST = 6  # units of a row
CLASSES = 20  # up to which the legend names them


def networks(pca: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Name and rows of every network, in the order of figures."""
    found = []
    for dataset, model, part in names.tasks(pca):
        task = names.task_label(dataset, model)
        for method, variant in names.all_series(part):
            rows = style.pick(part, method=method, variant=variant)
            found.append((f"{task}\n{names.series_label((method, variant))}", rows))
    return found


def shown(units: pd.Series) -> list[int]:
    """Up to MOST of the units, the first and the last among them."""
    every = sorted(units.unique())
    places = np.linspace(0, len(every) - 1, min(len(every), MOST)).round().astype(int)
    return [every[place] for place in places]


def draw_unit(axes: Axes, rows: pd.DataFrame, colours: dict) -> None:
    """Draw the images of one unit."""
    sns.scatterplot(
        rows, x="first", y="second", hue="label", palette=colours, s=5, linewidth=0, legend=False,
        ax=axes,
    )  # fmt: skip
    axes.set(xticks=[], yticks=[], xlabel="", ylabel="")
    axes.set_aspect("equal", "datalim")
    axes.grid(False)
    axes.text(
        0.98, 0.02, f"{100 * rows['explained'].iloc[0]:.0f}", transform=axes.transAxes,
        ha="right", va="bottom", fontsize=6, color="0.35",
    )  # fmt: skip


def draw(pca: pd.DataFrame) -> Figure:
    """A row a network, a panel a unit."""
    if pca.empty:
        return style.nothing("No record keeps representations (config gram_images).")
    found = networks(pca)
    columns = max(len(shown(rows["unit"])) for _, rows in found)
    labels = sorted(pca["label"].unique())
    palette = "tab10" if len(labels) <= 10 else "husl"
    colours = dict(zip(labels, sns.color_palette(palette, len(labels)), strict=True))
    figure, axes = style.panels([""] * (columns * len(found)), columns, (style.PAGE, 1.05))
    is_wrapped = style.wrapped(style.PAGE, columns)[1] < columns
    for row, (name, rows) in enumerate(found):
        panels = axes[row * columns : (row + 1) * columns]
        units = shown(rows["unit"])
        for panel, unit in zip(panels, units, strict=False):
            draw_unit(panel, style.pick(rows, unit=unit), colours)
            panel.set_title(f"Unit {unit}" if row == 0 or is_wrapped else "")
        panels[0].set_ylabel(name, fontsize=7)
        for panel in panels[len(units) :]:
            panel.remove()
    if len(labels) <= CLASSES:
        dot = {"linestyle": "none", "marker": "o", "markersize": 3}
        style.legend(
            figure, [Line2D([], [], color=colours[one], label=f"{one}", **dot) for one in labels]
        )
    style.note(figure, "Colours: classes. Corner: variance that the two axes hold (%). One seed.")
    return figure


def describe(pca: pd.DataFrame) -> str:
    """What two axes hold of the first and the last unit."""

    def part(name: str, rows: pd.DataFrame) -> str:
        held = 100 * rows.groupby("unit")["explained"].first()
        return f"{name} {held.iloc[0]:.0f} % (unit 1) to {held.iloc[-1]:.0f} % (unit {len(held)})"

    return sentences.text(
        sentences.sentence(
            f"{cell}, variance along two axes", (part(*one) for one in sentences.of_series(rows))
        )
        for cell, rows in sentences.cells(pca)
    )


def main(arguments: list[str] | None = None) -> None:
    """Read pca.csv, write the figure."""
    style.command(draw, describe, ("pca",), arguments)


if __name__ == "__main__":
    main()
