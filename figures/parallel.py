"""Training on several processes: simulated against measured, and simulated to 64 devices.

Left: images a second of real processes, and of the simulation that is fed with seconds of units and
messages; points on the diagonal agree. Right: how many times as fast as one device of the same
method so many devices are, of 64 blocks like the measured ones; of pipelines of BP the best number
of micro-batches at every point. Local units pass activations forward only, all others wait for
gradients. The grey line is as many times as devices.
"""

from figures import names, scales, style

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

SIZES = ["model", "width", "batch"]
IDEAL = {"color": "0.6", "linewidth": 0.8, "zorder": 1}
HEIGHT = 2.1  # of a row, in inches


def prepared(parallel: pd.DataFrame) -> pd.DataFrame:
    """The table with a schedule as the variant of a method; local units in a pipeline have none."""
    variant = parallel["schedule"].where(parallel["schedule"] != "pipeline", "default")
    return parallel.assign(variant=variant)


def measured_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Images a second, simulated and measured, of what is both."""
    key = [*SIZES, "depth", "method", "variant", "micro_batches", "ranks"]
    wide = rows.pivot(index=key, columns="source", values="images_per_second")
    return wide.reindex(columns=["simulated", "measured"]).dropna().reset_index()


def scaling(rows: pd.DataFrame) -> pd.DataFrame:
    """The best speedup of every series on so many devices, of the network that is simulated."""
    known = rows.loc[rows["source"] == "measured", "depth"].max()
    far = rows[(rows["depth"] > known) & (rows["variant"] != "alone")]
    return far.groupby(["method", "variant", "ranks"], as_index=False)["speedup"].max()


def draw_agreement(axes: Axes, pairs: pd.DataFrame, looks: dict) -> None:
    """Draw the simulation against what was measured."""
    low, high = (pairs[["simulated", "measured"]].agg(kind).agg(kind) for kind in ("min", "max"))
    axes.plot([low, high], [low, high], **IDEAL)
    for series, part in pairs.groupby(["method", "variant"]):
        look = looks[series] | {"linestyle": "none"}
        axes.plot(part["measured"], part["simulated"], **look, markersize=4)
    for axis in (axes.xaxis, axes.yaxis):
        scales.log_axis(axis)
    axes.set(xlabel="Images/s, measured", ylabel="Images/s, simulated")


def draw_scaling(axes: Axes, rows: pd.DataFrame, looks: dict) -> None:
    """Draw how many times as fast so many devices are."""
    devices = sorted(rows["ranks"].unique())
    axes.plot(devices, devices, **IDEAL)
    for series, part in rows.groupby(["method", "variant"]):
        axes.plot(part["ranks"], part["speedup"], **looks[series], markersize=4)
    scales.size_axis(axes.xaxis, devices, apart=0.1)
    scales.log_axis(axes.yaxis)
    axes.set(xlabel="Devices", ylabel="Times one device")


def draw(parallel: pd.DataFrame) -> Figure:
    """One row a model."""
    table = prepared(parallel)
    parts = list(table.groupby(SIZES, dropna=False))
    looks = style.looks(table)
    labels = [f"{names.label(model)}, batch {batch}" for (model, _, batch), _ in parts]
    titles = [title for label in labels for title in (label, "64 blocks, simulated")]
    figure, axes = style.panels(titles, 2, (style.PAGE, HEIGHT))
    for place, (_, rows) in enumerate(parts):
        draw_agreement(axes[2 * place], measured_pairs(rows), looks)
        draw_scaling(axes[2 * place + 1], scaling(rows), looks)
    shown = {series: look for series, look in looks.items() if series[1] != "alone"}
    style.legend(figure, [style.handle(*one) for one in shown.items()])
    return figure


def describe(parallel: pd.DataFrame) -> str:
    """How far the simulation is from real processes, and what 64 devices are said to bring."""
    table = prepared(parallel)
    parts = []
    for (model, _, _), rows in table.groupby(SIZES, dropna=False):
        pairs, far = measured_pairs(rows), scaling(rows)
        off = 100 * (pairs["simulated"] / pairs["measured"] - 1).abs()
        most = far[far["ranks"] == far["ranks"].max()].set_index(["method", "variant"])["speedup"]
        told = ", ".join(
            f"{names.series_label(series)} {value:.1f}" for series, value in most.items()
        )
        parts.append(
            f"{names.label(model)}: simulated rates are within {off.max():.0f} % of measured ones;"
            f" {far['ranks'].max()} devices are so many times as fast as one: {told}."
        )
    return " ".join(parts)


def main(arguments: list[str] | None = None) -> None:
    """Read parallel.csv, write the figure."""
    style.command(draw, describe, ("parallel",), arguments)


if __name__ == "__main__":
    main()
