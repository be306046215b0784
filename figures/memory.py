"""Memory of a training step: what is alive at the peak, and how it grows with depth.

Simulated from the exact sizes of its tensors, one column a model; sizes that do not vary are stated
below. Top: what is alive at the peak, by kind, one bar a series, at the largest depth that most
series have. Middle and bottom, both axes logarithmic, of the headline series: the peak, and the
largest amount of activations saved for a backward pass, against depth. A flat line needs no more
for a deeper network; where lines coincide, markers lie inside one another.
"""

from collections.abc import Iterable

from figures import names, scales, sentences, style

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from svp_core.tables import sweeps

# Of sweeps.KINDS; light and dark alternate, so that neighbours differ in print, too.
COLOURS = ["#56B4E9", "#0072B2", "#F0E442", "#000000", "#D55E00", "#CC79A7", "0.8"]
CURVES = {"total": "Peak memory (MiB)", "activations": "Saved activations (MiB)"}
BAR = 0.16  # height of a bar, in inches


def deepest(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the largest depth that most series have."""
    series = rows.groupby("depth")[["method", "variant"]].apply(lambda r: len(r.drop_duplicates()))
    return style.pick(rows, depth=series[series == series.max()].index.max())


def draw_peak(axes: Axes, rows: pd.DataFrame, looks: dict) -> None:
    """Draw one stacked bar a series, the first on top."""
    for place, (method, variant) in enumerate(looks):
        values = style.pick(rows, method=method, variant=variant).set_index("quantity")["value"]
        if values.empty:
            continue
        left = 0
        for kind, colour in zip(sweeps.KINDS, COLOURS, strict=True):
            width = values.get(kind, 0) / style.MIB
            axes.barh(place, width, 0.76, left, color=colour)
            left += width
        axes.annotate(
            f"{left:,.0f}", (left, place), (2, 0), textcoords="offset points", va="center",
            fontsize=6,
        )  # fmt: skip
    axes.margins(x=0.2)  # room for the numbers
    axes.set_ylim(len(looks) - 0.4, -0.6)
    axes.set_yticks([])
    axes.grid(False)
    axes.grid(axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.set_xlabel("Peak memory (MiB)")


def label_bars(axes: Axes, looks: dict) -> None:
    """Name the series left of their bars."""
    texts = [names.shortened(names.series_label(series)) for series in looks]
    axes.set_yticks(range(len(looks)), texts)
    axes.tick_params(axis="y", length=0, labelsize=7)


def draw_curves(axes: Axes, rows: pd.DataFrame, looks: dict) -> None:
    """Draw each series against depth; later ones are thinner, so that none hides another."""
    for place, ((method, variant), look) in enumerate(looks.items()):
        line = style.pick(rows, method=method, variant=variant).sort_values("depth")
        part = 1 - place / len(looks)
        axes.plot(
            line["depth"], line["value"] / style.MIB, **look, linewidth=0.7 + 1.2 * part,
            markersize=2 + 5 * part, markerfacecolor="none", markeredgewidth=0.8,
        )  # fmt: skip
    scales.size_axis(axes.xaxis, rows["depth"])
    scales.log_axis(axes.yaxis)


def draw_peaks(figure: SubFigure, models: dict, looks: dict, columns: int) -> None:
    """The upper part: bars of every model."""
    grid = figure.subplots(-(-len(models) // columns), columns, squeeze=False)
    for axes, (model, rows) in zip(grid.flat, models.items(), strict=False):
        bars = deepest(rows)
        draw_peak(axes, bars, looks)
        if columns < len(models):  # no room for more
            axes.set_xlabel("Peak (MiB)")
        axes.set_title(f"{names.label(model)}, depth {names.count(bars['depth'])}")
    for axes in grid[:, 0]:
        label_bars(axes, looks)
    remove(grid.flat[len(models) :])
    kinds = zip(map(sweeps.kind_label, sweeps.KINDS), COLOURS, strict=True)
    style.legend(figure, [Patch(color=colour, label=kind) for kind, colour in kinds])


def remove(panels: Iterable[Axes]) -> None:
    """Take panels out that nothing is drawn in."""
    for axes in panels:
        axes.remove()


def draw_growth(figure: SubFigure, models: dict, looks: dict, columns: int) -> None:
    """The lower part: of every model a panel a quantity, one below the other."""
    grid = figure.subplots(len(CURVES) * -(-len(models) // columns), columns, squeeze=False)
    for place, (model, rows) in enumerate(models.items()):
        turn, column = divmod(place, columns)
        panels = grid[turn * len(CURVES) : (turn + 1) * len(CURVES), column]
        for axes, (quantity, name) in zip(panels, CURVES.items(), strict=True):
            draw_curves(axes, style.pick(rows, quantity=quantity), looks)
            axes.tick_params(labelbottom=axes is panels[-1])
            if column == 0:
                axes.set_ylabel(name)
        panels[0].set_title(names.label(model))
        panels[-1].set_xlabel("Depth (blocks)")
    remove(grid[-len(CURVES) :, len(models) - turn * columns :].flat)
    figure.align_ylabels()
    style.legend(figure, [style.handle(*one, markerfacecolor="none") for one in looks.items()])


def draw(cost: pd.DataFrame) -> Figure:
    """Bars above, curves below; one column a model where the width has room."""
    models = names.in_order(sweeps.sweep(sweeps.of_steps(cost, *sweeps.KINDS, *CURVES), "depth"))
    if not models:
        return style.nothing("No model was simulated at two depths.")
    rows = pd.concat(models.values())
    looks, shown = style.looks(cost, rows), style.looks(cost, sweeps.headlines(rows))
    width, columns = style.wrapped(style.PAGE, len(models))
    turns = -(-len(models) // columns)
    heights = [BAR * len(looks) * turns + 0.9 + 0.5 * (turns - 1), 3.9 * turns]
    figure = plt.figure(figsize=(width, sum(heights) + 0.3), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=heights)
    draw_peaks(upper, models, looks, columns)
    draw_growth(lower, models, shown, columns)
    style.note(figure, names.fixed_sizes(models, "width", "batch", "image_size"))
    return figure


def describe(cost: pd.DataFrame) -> str:
    """How peak and saved activations grow over the depths that were simulated."""

    def part(name: str, rows: pd.DataFrame) -> str:
        found = []
        for quantity in CURVES:
            line = style.pick(rows, quantity=quantity).sort_values("depth")["value"]
            low, high = line.iloc[0], line.iloc[-1]
            found.append(f"{high / style.MIB:,.1f} MiB ({high / low:.1f}-fold)" if low else "0 MiB")
        return f"{name} {found[0]}, of saved activations {found[1]}"

    models = names.in_order(sweeps.sweep(sweeps.of_steps(cost, *CURVES), "depth"))
    return sentences.text(
        sentences.sentence(
            f"{names.label(model)}, peak at depth {rows['depth'].max()}"
            f" (growth from {rows['depth'].min()})",
            (part(*one) for one in sentences.of_series(sweeps.headlines(rows))),
        )
        for model, rows in models.items()
    )


def main(arguments: list[str] | None = None) -> None:
    """Read cost.csv, write the figure."""
    style.command(draw, describe, ("cost",), arguments)


if __name__ == "__main__":
    main()
