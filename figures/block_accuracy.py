"""Test accuracy of each local unit against its position, with bp's whole network as reference."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from figures import style


def draw_reference(axes: Axes, accuracies: pd.Series, look: dict) -> None:
    """Draw the mean of bp as a line, and the range of its seeds as a band."""
    colour = look["color"]
    axes.axhspan(accuracies.min(), accuracies.max(), color=colour, alpha=0.15, linewidth=0)
    axes.axhline(accuracies.mean(), color=colour, linestyle=look["linestyle"], linewidth=1)


def draw_series(axes: Axes, blocks: pd.DataFrame, look: dict) -> None:
    """Draw the seeds of one local method and their mean."""
    for _, run in blocks.groupby("seed"):
        axes.plot(run["block"], run["test_accuracy"], color=look["color"], lw=0.5, alpha=0.5)
    mean = blocks.groupby("block")["test_accuracy"].mean()
    axes.plot(mean.index, mean, **look, markersize=4)


def handle(series: style.Series, look: dict) -> Line2D:
    """The entry of a series in the legend; bp has no blocks to mark."""
    if series[0] != "bp":
        return style.handle(series, look)
    return style.handle(series, look, marker="", label=f"{style.series_label(series)}, all blocks")


def draw(blocks: pd.DataFrame) -> Figure:
    """One panel a dataset and model."""
    if blocks.empty:
        return style.nothing("No training was completed.")
    looks = style.looks(style.all_series(blocks))
    figure, panels = style.dataset_model_panels(blocks, x="Block", y="Test accuracy (%)")
    for axes, part in panels:
        for (method, variant), look in looks.items():
            series = style.pick(part, method=method, variant=variant)
            if method == "bp" and not series.empty:
                draw_reference(axes, series["test_accuracy"], look)
            else:
                draw_series(axes, series, look)
        axes.margins(y=0.1)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    style.legend(figure, [handle(series, look) for series, look in looks.items()])
    style.note(
        figure,
        f"Block 1 is next to the image. Thin, or band for BP: seeds (n = {style.seeds(blocks)}). "
        "Thick: mean.",
    )
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Read blocks.csv, write the figure."""
    style.command(draw, ("blocks",), arguments)


if __name__ == "__main__":
    main()
