"""Time of a training step against its peak memory, and the front that no series beats in both.

Time is relative to the baseline's in the same round; both axes are logarithmic, one panel a model
and size. Markers are medians, bars quartiles over rounds. Lower left is best: no series is both
faster and smaller than one on the grey line, the Pareto front. The device is stated below the
panels.
"""

from figures import names, scales, sentences, style

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from svp_core.tables import SERIES, sweeps
from svp_core.tables.sweeps import TIMES

MEMORY = {"allocated": "allocated by CUDA", "total": "simulated"}  # the first one known is drawn
LEAST = 4  # series of a panel
SPAN = 2.5  # factor that an axis spans, so that a small difference looks small


def points(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Memory and times, one line a series of a panel; and which of MEMORY it is."""
    table = rows.pivot(index=SERIES, columns="quantity", values="value")
    table = table.reindex(columns=[*TIMES, *MEMORY]).dropna(subset=TIMES)
    kind = next((name for name in MEMORY if table[name].notna().all()), "total")
    return table.assign(memory=table[kind]).dropna(subset=["memory"]), kind


def front(table: pd.DataFrame) -> pd.DataFrame:
    """The series that no other one beats in memory and time."""
    table = table.sort_values(["memory", "step_time_ratio"])
    best = table["step_time_ratio"].astype(float).cummin()
    return table[best < best.shift(fill_value=float("inf"))]


def timed(cost: pd.DataFrame) -> pd.DataFrame:
    """The rows of times that a baseline was measured beside, and of memory."""
    related = [sweeps.beside_baseline(cost, *TIMES), sweeps.of_steps(cost, *MEMORY)]
    return sweeps.without_d0_sweeps(pd.concat(related))


def found_panels(cost: pd.DataFrame) -> list[tuple[str, pd.DataFrame, str]]:
    """Title, points and kind of memory of every model and size with enough series."""
    rows = timed(cost)
    return [
        (f"{names.label(model)}\n{names.sizes(part, *names.SIZES)}", *found)
        for model in names.ordered(rows["model"])
        for part in sweeps.same_sizes(style.pick(rows, model=model), list(names.SIZES))
        if len((found := points(part))[0]) >= LEAST
    ]


def draw_panel(axes: Axes, table: pd.DataFrame, looks: dict) -> None:
    """Draw the markers, their quartiles, and the front as a step line."""
    for series, row in table.iterrows():
        look = {name: looks[series][name] for name in ("color", "marker")}
        low, middle, high = row[TIMES]
        spread = [[max(middle - low, 0)], [max(high - middle, 0)]]
        axes.errorbar(row["memory"] / style.MIB, middle, spread, **look, elinewidth=0.8,
                      markersize=5.5, markerfacecolor="none", linestyle="none")  # fmt: skip
    scales.log_axis(axes.xaxis, room=0.12, least=SPAN)
    scales.log_axis(axes.yaxis, room=0.12, least=SPAN)
    axes.grid(axis="x")
    best = front(table)
    x, y = best["memory"] / style.MIB, best["step_time_ratio"]
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    x, y = [*x[:1], *x, right], [top, *y, y.iloc[-1]]
    axes.step(x, y, where="post", color="0.6", linewidth=0.8, zorder=0)


def explanation(kinds: list[str], device: str) -> str:
    """What bars and line are, where times and memory are from."""
    memory = " or ".join(dict.fromkeys(MEMORY[kind] for kind in kinds))
    text = f"Bars: quartiles over rounds. Line: Pareto front of the medians. Times: {device}."
    return f"{text} Memory: {memory}. Lower left is best."


def draw(cost: pd.DataFrame) -> Figure:
    """One panel a model and size that was measured with enough series."""
    panels_of = found_panels(cost)
    if not panels_of:
        few = f"No model was measured with {LEAST} series or more."
        return style.nothing(sweeps.no_baseline(cost) or few)
    device = sweeps.one_device(timed(cost))
    titles, found, kinds = map(list, zip(*panels_of, strict=True))
    figure, panels = style.panels(titles, min(len(found), 2), (style.PAGE, 2.4))
    looks = style.looks(cost, pd.concat(table.reset_index() for table in found))
    for axes, table in zip(panels, found, strict=True):
        draw_panel(axes, table, looks)
    baseline = names.label(sweeps.one_baseline(cost))
    style.name_axes(figure, "Peak memory (MiB)", f"Step time / that of {baseline}")
    marks = {"linestyle": "none", "markersize": 5.5, "markerfacecolor": "none"}
    handles = [style.handle(*one, **marks) for one in looks.items()]
    style.legend(figure, handles)
    style.note(figure, explanation(kinds, device))
    return figure


def describe(cost: pd.DataFrame) -> str:
    """Which series are on the front of each panel."""
    return sentences.text(
        sentences.sentence(
            f"On the front of {title.replace(chr(10), ', ')}", map(names.series_label, best.index)
        )
        for title, table, _ in found_panels(cost)
        if len(best := front(table))
    )


def main(arguments: list[str] | None = None) -> None:
    """Read cost.csv, write the figure."""
    style.command(draw, describe, ("cost",), arguments)


if __name__ == "__main__":
    main()
