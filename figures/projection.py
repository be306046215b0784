"""FLOPs and time of a training step against d0, relative to the baseline; where it breaks even.

d0 is the rows of the projections, the horizontal line at 1 is the baseline of the same sizes: below
it a series is cheaper. FLOPs are counted; time, in the last panels, is measured. A dotted vertical
line marks the d0 at which a curve, taken as straight between its points, crosses 1; the band holds
the quartiles over rounds.
"""

from figures import names, sentences, style

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from svp_core.tables import SERIES, sweeps
from svp_core.tables.sweeps import TIMES

LEAST = 3  # values of d0
SPAN = 0.3
BASELINE = {"color": "black", "linewidth": 0.8}
NAMES = {"flops": "FLOPs / those of {}", "step_time_ratio": "Step time / that of {}"}


def break_evens(curve: pd.Series) -> list[float]:
    """Every d0 at which a curve over d0, straight between its points, crosses 1."""
    places = sweeps.crossings(curve)
    d0, over = curve.index.to_numpy(float), curve.to_numpy(float) - 1
    return [d0[i] + (d0[i + 1] - d0[i]) * over[i] / (over[i] - over[i + 1]) for i in places]


def find_panels(cost: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """The rows of every panel by model and quantity: sweeps of d0, counted and measured."""
    counted = sweeps.sweep(sweeps.relative_flops(cost), "d0", LEAST)
    measured = sweeps.sweep(sweeps.beside_baseline(cost, *TIMES), "d0", LEAST)
    found = {(model, "flops"): rows for model, rows in names.in_order(counted).items()}
    return found | {(model, TIMES[1]): rows for model, rows in names.in_order(measured).items()}


def mark_break_even(axes: Axes, d0: float, colour: str) -> None:
    """Draw a vertical line at the break-even and write it there."""
    axes.axvline(d0, color=colour, linewidth=0.8, linestyle=":")
    side, gap = ("right", -2) if d0 > sum(axes.get_xlim()) / 2 else ("left", 2)
    axes.annotate(
        f"d0 = {d0:.0f}", (d0, 0.02), (gap, 0), xycoords=axes.get_xaxis_transform(),
        textcoords="offset points", ha=side, color=colour, fontsize=7,
    )  # fmt: skip


def draw_panel(axes: Axes, rows: pd.DataFrame, quantity: str, looks: dict) -> None:
    """Draw each series, its quartiles if measured, the baseline at 1, and the break-evens."""
    axes.axhline(1, **BASELINE)
    for series, part in rows.groupby(SERIES):
        look, table = looks[series], part.pivot(index="d0", columns="quantity", values="value")
        axes.plot(table.index, table[quantity], **look, markersize=4)
        if quantity == TIMES[1]:
            low, high = table[TIMES[0]], table[TIMES[2]]
            axes.fill_between(table.index, low, high, color=look["color"], alpha=0.2, linewidth=0)
        for even in break_evens(table[quantity]):
            mark_break_even(axes, even, look["color"])


def widen(axes: Axes) -> None:
    """Let the axis span a range of SPAN or more, so that a small difference looks small."""
    low, high = axes.get_ylim()
    lack = max(SPAN - (high - low), 0) / 2
    axes.set_ylim(low - lack, high + lack)


def explanation(found: dict[tuple[str, str], pd.DataFrame], device: str) -> str:
    """What lines and bands are, the sizes, and what times were measured on."""
    text = "Dotted: break-even, interpolated. "
    if device:
        text += f"Band: quartiles over rounds, on {device}. "
    models: dict[str, pd.DataFrame] = {}
    for (model, _), rows in found.items():
        models[model] = pd.concat([models.get(model), rows])
    return text + names.fixed_sizes(models, *names.SIZES)


def draw(cost: pd.DataFrame) -> Figure:
    """One panel a model and quantity that was swept over d0."""
    found = find_panels(cost)
    if not found:
        few = f"No model was swept over {LEAST} values of d0."
        return style.nothing(sweeps.no_baseline(cost) or few)
    rows = pd.concat(found.values())
    text = explanation(found, sweeps.one_device(rows))
    looks = style.looks(cost, rows)
    titles = [names.label(model) for model, _ in found]
    figure, panels = style.panels(titles, min(len(found), 3), (style.PAGE, 1.9))
    style.name_axes(figure, "d0 (rows of the projections)")
    baseline = names.label(sweeps.one_baseline(cost))
    for axes, ((_, quantity), part) in zip(panels, found.items(), strict=True):
        draw_panel(axes, part, quantity, looks)
        widen(axes)
        axes.set_ylabel(NAMES[quantity].format(baseline))
    one = Line2D([], [], **BASELINE, label=baseline)
    handles = [style.handle(series, look) for series, look in looks.items()]
    style.legend(figure, [one, *handles])
    style.note(figure, text)
    return figure


def describe(cost: pd.DataFrame) -> str:
    """Ranges over d0, and where they cross the baseline."""

    def part(name: str, rows: pd.DataFrame, quantity: str) -> str:
        curve = style.pick(rows, quantity=quantity).set_index("d0")["value"].sort_index()
        evens = ", ".join(f"{even:.0f}" for even in break_evens(curve)) or "no d0 shown"
        return f"{name} {curve.iloc[0]:.2f} to {curve.iloc[-1]:.2f}, break-even at {evens}"

    return sentences.text(
        sentences.sentence(
            f"{names.label(model)}, {NAMES[quantity].split(' /')[0]}",
            (part(*one, quantity) for one in sentences.of_series(rows)),
        )
        for (model, quantity), rows in find_panels(cost).items()
    )


def main(arguments: list[str] | None = None) -> None:
    """Read cost.csv, write the figure."""
    style.command(draw, describe, ("cost",), arguments)


if __name__ == "__main__":
    main()
