"""Memory of a training step against depth: what is alive at the peak, and saved activations."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, StrMethodFormatter

from figures import style

# In the order of stacking; light and dark alternate, so that neighbours differ in print, too.
KINDS = {
    "parameters_bytes": ("parameters", "#56B4E9"),
    "optimizer_bytes": ("optimizer", "#0072B2"),
    "gradients_bytes": ("gradients", "#F0E442"),
    "buffers_bytes": ("buffers", "#000000"),
    "activations_at_peak_bytes": ("activations", "#D55E00"),
    "data_bytes": ("data", "#CC79A7"),
    "temporary_bytes": ("temporary", "0.8"),
}


def draw_bar(axes: Axes, x: float, width: float, row: pd.Series, look: dict) -> None:
    """Draw one stacked bar, and the marker of its method below it."""
    bottom = 0
    for kind, (_, colour) in KINDS.items():
        height = row[kind] / style.MIB
        axes.bar(x, height, width, bottom, color=colour)
        bottom += height
    below = axes.get_xaxis_transform()
    marker = {"marker": look["marker"], "color": look["color"], "markersize": 3}
    axes.plot(x, -0.035, **marker, transform=below, clip_on=False)


def draw_peak(axes: Axes, memory: pd.DataFrame, looks: dict) -> None:
    """Draw the peaks, the methods of a depth side by side."""
    depths = sorted(memory["depth"].unique())
    methods = [method for method, _ in looks]
    slot = 0.84 / len(methods)
    for _, row in memory.iterrows():
        place = methods.index(row["method"])
        x = depths.index(row["depth"]) + (place - (len(methods) - 1) / 2) * slot
        draw_bar(axes, x, 0.92 * slot, row, looks[row["method"], "default"])
    axes.set_xticks(range(len(depths)), depths)
    axes.tick_params(axis="x", length=0, pad=8)
    axes.set_ylim(bottom=0)


def draw_activations(axes: Axes, memory: pd.DataFrame, looks: dict) -> None:
    """Draw the largest amount of saved activations, on two logarithmic axes."""
    for (method, _), look in looks.items():
        rows = style.pick(memory, method=method).sort_values("depth")
        axes.plot(rows["depth"], rows["activations_bytes"] / style.MIB, **look, markersize=4)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    exponents = np.log2(memory["activations_bytes"] / style.MIB)
    axes.set_ylim(0.85 * 2 ** np.floor(exponents.min()), 1.15 * 2 ** np.ceil(exponents.max()))
    axes.xaxis.set_major_locator(FixedLocator(sorted(memory["depth"].unique())))
    axes.yaxis.set_major_locator(LogLocator(2))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))


def handles(looks: dict) -> list:
    """Entries of the legend: methods, then kinds of memory."""
    methods = [style.handle(series, look) for series, look in looks.items()]
    return methods + [Patch(color=colour, label=name) for name, colour in KINDS.values()]


def draw(memory: pd.DataFrame) -> Figure:
    """One column a model."""
    models = style.ordered(memory["model"])
    looks = style.looks([(method, "default") for method in style.ordered(memory["method"])])
    figure, grid = plt.subplots(
        2,
        len(models),
        figsize=(style.COLUMN if len(models) == 1 else style.PAGE, 4.6),
        squeeze=False,
        layout="constrained",
    )
    for (peak, activations), model in zip(grid.T, models, strict=True):
        rows = style.pick(memory, model=model)
        draw_peak(peak, rows, looks)
        draw_activations(activations, rows, looks)
        peak.set_title(style.label(model))
        activations.set_xlabel("Depth (blocks)")
    grid[0, 0].set_ylabel("Memory at the peak (MiB)")
    grid[1, 0].set_ylabel("Saved activations (MiB)")
    style.legend(figure, handles(looks))
    style.note(figure, f"Batch of {style.count(memory['batch_size'])} images.")
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Read memory.csv, write the figure."""
    style.command(draw, ("memory",), arguments)


if __name__ == "__main__":
    main()
