"""FLOPs and time of a training step against d0, relative to BP; where SVP breaks even."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from workflow.scripts import sweeps

LEAST = 3  # values of d0
TIMES = ["step_time_ratio_low", "step_time_ratio", "step_time_ratio_high"]
PANELS = {"flops": "FLOPs / those of BP", "step_time_ratio": "Step time / that of BP"}


def break_evens(d0: np.ndarray, ratio: np.ndarray) -> list[float]:
    """Every d0 at which the curve, straight between its points, crosses 1."""
    over = ratio - 1
    crossed = np.flatnonzero((over[:-1] < 0) != (over[1:] < 0))
    part = over[crossed] / (over[crossed] - over[crossed + 1])
    return list(d0[crossed] + part * (d0[crossed + 1] - d0[crossed]))


def relative_flops(rows: pd.DataFrame, cost: pd.DataFrame) -> pd.DataFrame:
    """The rows of FLOPs divided by those of BP of the same sizes; none without BP."""
    keys = ["model", *style.SIZES]
    bp = style.pick(sweeps.of_steps(cost, "flops"), method="bp", variant="default")
    rows = style.pick(rows, quantity="flops").merge(
        bp[[*keys, "value"]].rename(columns={"value": "bp"}), on=keys
    )
    return rows.assign(value=rows["value"] / rows["bp"]).drop(columns="bp")


def mark_break_even(axes: Axes, d0: float, colour: str) -> None:
    """Draw a vertical line at the break-even and write it there."""
    axes.axvline(d0, color=colour, linewidth=0.8, linestyle=":")
    axes.annotate(
        f"d0 = {d0:.0f}", (d0, 0.02), (2, 0), xycoords=axes.get_xaxis_transform(),
        textcoords="offset points", color=colour, fontsize=7,
    )  # fmt: skip


def draw_panel(axes: Axes, rows: pd.DataFrame, quantity: str, looks: dict) -> None:
    """Draw each series, its quartiles if measured, BP at 1, and the break-evens."""
    drawn = False
    axes.axhline(1, color=style.COLOURS["bp"], linewidth=0.8)
    for (method, variant), look in looks.items():
        part = style.pick(rows, method=method, variant=variant)
        table = part.pivot(index="d0", columns="quantity", values="value").sort_index()
        if quantity not in table:
            continue
        d0 = table.index.to_numpy(float)
        axes.plot(d0, table[quantity], **look, markersize=4)
        if quantity == TIMES[1] and set(TIMES) <= set(table):
            axes.fill_between(
                d0, table[TIMES[0]], table[TIMES[2]], color=look["color"], alpha=0.2, linewidth=0
            )
        drawn = True
        for even in break_evens(d0, table[quantity].to_numpy()):
            mark_break_even(axes, even, look["color"])
    if not drawn:
        axes.text(0.5, 0.5, "not available", transform=axes.transAxes, ha="center", fontsize=7)


def explanation(models: dict[str, pd.DataFrame]) -> str:
    """What lines and bands are, the sizes, and what times were measured on."""
    text = "Horizontal line: BP of the same sizes. Dotted: d0 of break-even, interpolated. "
    devices = {device for rows in models.values() if (device := sweeps.one_device(rows))}
    if devices:
        text += f"Band: quartiles over rounds, on {' and '.join(sorted(devices))}. "
    return text + style.fixed_sizes(models, *style.SIZES)


def draw(cost: pd.DataFrame) -> Figure:
    """One row a model that was swept over d0: counted on the left, measured on the right."""
    models = style.in_order(sweeps.sweep(sweeps.of_steps(cost, "flops", *TIMES), "d0", LEAST))
    if not models:
        return style.nothing(f"No model was swept over {LEAST} values of d0.")
    text = explanation(models)  # which refuses two devices
    looks = style.looks(style.all_series(pd.concat(models.values())))
    names = [name for model in models for name in (style.label(model), style.label(model))]
    figure, axes = style.panels(names, 2, (style.PAGE, 2.2), "d0 (rows of the projections)")
    for rows, left, right in zip(models.values(), axes[::2], axes[1::2], strict=True):
        draw_panel(left, relative_flops(rows, cost), "flops", looks)
        draw_panel(right, rows, "step_time_ratio", looks)
        right.sharex(left)
        for panel, name in zip((left, right), PANELS.values(), strict=True):
            panel.set_ylabel(name)
    style.legend(figure, [style.handle(series, look) for series, look in looks.items()])
    style.note(figure, text)
    return figure


def main(arguments: list[str] | None = None) -> None:
    """Read cost.csv, write the figure."""
    style.command(draw, ("cost",), arguments)


if __name__ == "__main__":
    main()
