"""Accuracy and calibration of Gaussian weights, dense and in sparse subspaces, by bytes stored.

Test accuracy in per cent (left) and expected calibration error in per cent (right) of the network,
against the size of what is stored of it: active means and deviations, and a mask of a bit a weight;
one row a dataset and model. Of ssvi there are several densities, the least on the left. Small
points are seeds, large ones their mean with its 95 % Student t interval; n is stated below the
panels, and how many runs diverged; those are in no mean.
"""

from figures import intervals, names, sentences, style

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from svp_core import tables

PANELS = {"Test accuracy (%)": ("test_accuracy", 1.0), "ECE (%)": ("ece", 0.01)}
SLOT = 0.08  # of a decade, between seeds and their mean


def draw_panel(axes: Axes, rows: pd.DataFrame, column: str, unit: float, looks: dict) -> bool:
    """Draw the seeds and means of every method at every size; whether an interval is cut."""
    values = rows[column].astype(float) / unit
    axes.set_ylim(intervals.limits(values, [rows["method"], rows["stored_bytes"]]))
    is_cut = False
    for (method, _), look in looks.items():
        part = style.pick(rows, method=method)
        place = np.log10(part["stored_bytes"].astype(float) / 1000)
        is_cut |= intervals.draw(axes, place, values[part.index], look, SLOT)
    decades = np.log10(rows["stored_bytes"].astype(float) / 1000).unique()
    axes.set_xlim(decades.min() - 0.2, decades.max() + 0.2)
    axes.set_xticks(decades, [f"{10**one:,.0f}" for one in decades], rotation=45)
    return is_cut


def draw(ssvi: pd.DataFrame) -> Figure:
    """Two panels a dataset and model."""
    completed = style.pick(ssvi, status="completed")
    if completed.empty:
        return style.nothing("No run completed.")
    looks = style.looks(completed.assign(variant="default"))
    parts = [(task, rows, what) for *task, rows in names.tasks(completed) for what in PANELS]
    titles = [names.task_label(*task) for task, _, _ in parts]
    figure, panels = style.panels(titles, columns=2, size=(style.PAGE, 2.1))
    is_cut = False
    for axes, (_, rows, what) in zip(panels, parts, strict=True):
        is_cut |= draw_panel(axes, rows, *PANELS[what], looks)
        axes.set(xlabel="Stored (kB)", ylabel=what)
    style.legend(figure, [style.handle(one, look, linestyle="none") for one, look in looks.items()])
    n = names.count(completed.groupby([*tables.TASK, *tables.SERIES])["seed"].nunique())
    text = f"Small points: seeds (n = {n}). Large: mean with its 95 % Student t interval."
    text += " Arrowhead: the interval goes on beyond the axis." if is_cut else ""
    diverged = len(ssvi) - len(completed)
    style.note(figure, text + (f" Not shown: {diverged} runs diverged." if diverged else ""))
    return figure


def describe(ssvi: pd.DataFrame) -> str:
    """Mean accuracy, ECE and size of every method and density."""

    def part(method: str, size: int, rows: pd.DataFrame) -> str:
        accuracy, error = rows["test_accuracy"].mean(), 100 * rows["ece"].mean()
        return f"{names.label(method)}, {size / 1000:,.0f} kB: {accuracy:.1f} %, ECE {error:.1f} %"

    return sentences.text(
        sentences.sentence(
            cell, (part(*key, own) for key, own in rows.groupby(["method", "stored_bytes"]))
        )
        for cell, rows in sentences.cells(style.pick(ssvi, status="completed"))
    )


def main(arguments: list[str] | None = None) -> None:
    """Read the table of ssvi, write the figure."""
    style.command(draw, describe, ("ssvi",), arguments)


if __name__ == "__main__":
    main()
