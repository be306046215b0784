"""Test accuracy of each unit's own prediction, after the last epoch, against its position.

In per cent of the test images; a unit is what is trained by one loss, 1 is next to the image. A
method that trains the whole network by one loss has one prediction: the line is its mean, the band
the range of its seeds; of others thin lines are seeds, thick ones their mean. n is stated below the
panels. A curve that rises shows that later units add something to what earlier ones have learned.
"""

from figures import by_unit, names, style

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from svp_core import tables


def draw_network(axes: Axes, accuracies: pd.Series, look: dict) -> None:
    """Draw the mean of a method of one unit as a line, and the range of its seeds as a band."""
    colour = look["color"]
    axes.axhspan(accuracies.min(), accuracies.max(), color=colour, alpha=0.15, linewidth=0)
    axes.axhline(accuracies.mean(), color=colour, linestyle=look["linestyle"], linewidth=1)


def handle(series: names.Series, look: dict, units: int) -> Line2D:
    """The entry of a series in the legend; a single unit is not marked."""
    if units > 1:
        return style.handle(series, look)
    text = f"{names.series_label(series)}, whole network"
    return style.handle(series, look, marker="", label=text)


def draw(metrics: pd.DataFrame) -> Figure:
    """One panel a dataset and model."""
    rows = by_unit.last_epochs(metrics, "unit_accuracy")
    if rows.empty:
        return style.nothing("No training was completed.")
    looks = style.looks(metrics)
    figure, panels = style.dataset_model_panels(rows)
    for axes, part in panels:
        for (method, variant), look in looks.items():
            series = style.pick(part, method=method, variant=variant)
            if series["units"].max() > 1:
                by_unit.draw(axes, series, look)
            elif len(series):
                draw_network(axes, series["value"], look)
        axes.margins(y=0.1)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if part["units"].max() == 1:
            axes.set(xlim=(0.5, 1.5), xticks=[1])
    style.name_axes(figure, "Unit", "Test accuracy (%)")
    most = rows.groupby(tables.SERIES)["units"].max()
    style.legend(figure, [handle(*one, most[one[0]]) for one in looks.items()])
    style.note(
        figure,
        f"Unit 1 is next to the image. Thin, or band: seeds (n = {names.seeds(rows)}). "
        "Thick: mean.",
    )
    return figure


def describe(metrics: pd.DataFrame) -> str:
    """Mean accuracies of the first and the last unit."""
    return by_unit.from_first_to_last(by_unit.last_epochs(metrics, "unit_accuracy"), 1)


def main(arguments: list[str] | None = None) -> None:
    """Read metrics.csv, write the figure."""
    style.command(draw, describe, ("metrics",), arguments)


if __name__ == "__main__":
    main()
