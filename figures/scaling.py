"""Memory, FLOPs and time of a training step against width, batch and image size.

Of the headline series, on logarithmic axes: one row a model and quantity, one column an axis; time
where it was measured. The other sizes are stated below. Numbers right of the lines are fitted
slopes, of methods as they are by default: 0 is flat, 1 grows in proportion to the axis, 2 with its
square.
"""

from figures import names, scales, sentences, style

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from svp_core.tables import sweeps

LEAST = 3  # sizes of a sweep
AXES = {"width": "Width", "batch": "Batch (images)", "image_size": "Image size (pixels)"}
QUANTITIES = {  # label and unit
    "total": ("Memory (MiB)", style.MIB),
    "flops": ("GFLOP", 1e9),
    "step_time": ("Time (ms)", 1e-3),
}
ROW = 1.05  # height in inches
GAP = 0.12  # between slopes, as a part of the height of a panel

Sweeps = dict[str, dict[str, pd.DataFrame]]  # by model and axis


def find_sweeps(cost: pd.DataFrame) -> Sweeps:
    """The rows of every sweep of the series that are shown, by model and axis."""
    rows = sweeps.of_steps(cost, *QUANTITIES)
    rows = sweeps.headlines(rows)
    result: Sweeps = {}
    for axis in AXES:
        for model, part in sweeps.sweep(rows, axis, LEAST).items():
            result.setdefault(model, {})[axis] = part
    return names.in_order(result)


def of_quantity(part: pd.DataFrame, quantity: str, axis: str) -> pd.DataFrame:
    """The rows of one panel: series with enough sizes, smallest first."""
    rows = sweeps.wide_series(style.pick(part, quantity=quantity), axis, LEAST)
    return rows.sort_values(axis)


def spread(heights: list[float]) -> list[float]:
    """The heights, moved apart so that texts there do not overlap."""
    order = np.argsort(heights, kind="stable")
    result = np.array(heights, float)
    for below, above in zip(order, order[1:], strict=False):
        result[above] = max(result[above], result[below] + GAP)
    return list(result - max(result.max() - 1, 0))


def draw_slopes(axes: Axes, ends: list[tuple]) -> None:
    """Write the slopes right of the ends of their lines."""
    low, high = np.log(axes.get_ylim())
    heights = spread([(np.log(y) - low) / (high - low) for y, _, _ in ends])
    for height, (_, value, colour) in zip(heights, ends, strict=True):
        text = f"{round(value, 2) + 0.0:.2f}"  # never -0.00
        place = {"transform": axes.transAxes, "va": "center"}
        axes.text(1.01, height, text, color=colour, fontsize=6.5, **place)


def draw_panel(axes: Axes, rows: pd.DataFrame, axis: str, unit: float, looks: dict) -> None:
    """Draw each series of one quantity, and the slope of each method."""
    ends = []
    for (method, variant), look in looks.items():
        line = style.pick(rows, method=method, variant=variant)
        if line.empty:
            continue
        y = line["value"] / unit
        axes.plot(line[axis], y, **look, markersize=4, markerfacecolor="none", linewidth=1.2)
        if variant == "default":
            ends.append((y.iloc[-1], sweeps.fit(line[axis], y)["slope"], look["color"]))
    scales.size_axis(axes.xaxis, rows[axis].astype(int))
    scales.log_axis(axes.yaxis)
    draw_slopes(axes, ends)


def lines_of(found: Sweeps) -> list[tuple[str, str]]:
    """Model and quantity of every row of panels."""
    return [
        (model, quantity)
        for model, parts in found.items()
        for quantity in QUANTITIES
        if any(len(of_quantity(part, quantity, axis)) for axis, part in parts.items())
    ]


def draw_grid(found: Sweeps, lines: list[tuple[str, str]], looks: dict) -> Figure:
    """One row a model and quantity, one column an axis; only the panels that were swept."""
    swept = [axis for axis in AXES if any(axis in parts for parts in found.values())]
    # slopes stand right of the panels: three of them need two columns, whatever is asked for
    width = max(style.PAGE if len(swept) > 1 else style.COLUMN, style.chosen["width"] or 0)
    size = width, ROW * len(lines) + style.MARGIN + 0.5
    figure, grid = plt.subplots(
        len(lines), len(swept), figsize=size, squeeze=False, layout="constrained"
    )
    for panels, (model, quantity) in zip(grid, lines, strict=True):
        name, unit = QUANTITIES[quantity]
        for axes, axis in zip(panels, swept, strict=True):
            part = found[model].get(axis)
            rows = part if part is None else of_quantity(part, quantity, axis)
            if rows is None or rows.empty:
                axes.set(frame_on=False, xticks=[], yticks=[])
                continue
            draw_panel(axes, rows, axis, unit, looks)
        panels[0].set_ylabel(f"{names.label(model)}\n{name}")
    for column, axis in zip(grid.T, swept, strict=True):
        lowest = [axes for axes in column if axes.lines][-1]
        lowest.set_xlabel(AXES[axis])
    figure.align_ylabels()
    return figure


def explanation(found: Sweeps, device: str) -> str:
    """What the numbers are, the sizes off the axis, and what times were measured on."""
    text = "Numbers: slope of log value against log size, without variants. Sizes off the axis: "
    fixed = {}
    for model, parts in found.items():
        off = [part.assign(**{axis: None}) for axis, part in parts.items()]
        fixed[model] = pd.concat([part[list(names.SIZES)].astype("Float64") for part in off])
    return text + names.fixed_sizes(fixed, *names.SIZES) + (f" Times: {device}." if device else "")


def draw(cost: pd.DataFrame) -> Figure:
    """Panels of every sweep, or the way to get one."""
    found = find_sweeps(cost)
    lines = lines_of(found)
    if not lines:
        return style.nothing(
            f"No sweep over {LEAST} widths, batches or image sizes; snakemake cost makes it."
        )
    rows = pd.concat(part for by_axis in found.values() for part in by_axis.values())
    text = explanation(found, sweeps.one_device(rows))
    looks = style.looks(cost, rows)
    figure = draw_grid(found, lines, looks)
    handles = [style.handle(*one, markerfacecolor="none") for one in looks.items()]
    style.legend(figure, handles)
    style.note(figure, text)
    return figure


def describe(cost: pd.DataFrame) -> str:
    """The slopes of memory."""

    def part(name: str, rows: pd.DataFrame, axis: str) -> str:
        return f"{name} {sweeps.fit(rows[axis], rows['value'])['slope']:.2f}"

    return sentences.text(
        sentences.sentence(
            f"{names.label(model)}, slope of memory against {names.SIZES[axis]}",
            (part(*one, axis) for one in sentences.of_series(of_quantity(rows, "total", axis))),
        )
        for model, parts in find_sweeps(cost).items()
        for axis, rows in parts.items()
    )


def main(arguments: list[str] | None = None) -> None:
    """Read cost.csv, write the figure."""
    style.command(draw, describe, ("cost",), arguments)


if __name__ == "__main__":
    main()
