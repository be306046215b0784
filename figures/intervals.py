"""Seeds beside their mean and its interval, and axes that intervals do not squash."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.markers import CARETDOWN, CARETUP  # their tips are at the point
from svp_core.tables.statistics import ends

ASIDE = 0.2  # of the distance between two series: seeds to the left, the mean to the right


def limits(
    values: pd.Series, cells: list[pd.Series], ends_of_all: tuple[float, float] = (0, 100)
) -> tuple[float, float]:
    """Ends of an axis of percentages: around all seeds; intervals widen it, but not without end.

    cells: by what the seeds of one mean have in common; ends_of_all: of what values can be.
    """
    least, most = ends_of_all
    values = values.dropna()
    if values.empty:
        return ends_of_all
    bottom, top = values.min(), values.max()
    room = max(0.5 * (top - bottom), 0.25)
    low, high = zip(*(ends(group) for _, group in values.groupby(cells)), strict=True)
    bottom = max(bottom - room, pd.Series([bottom, *low]).min())
    top = min(top + room, pd.Series([top, *high]).max())
    margin = max(0.05 * (top - bottom), 0.05)
    return max(bottom - margin, least), min(top, most) + margin


def draw(axes: Axes, x: pd.Series, y: pd.Series, look: dict, slot: float) -> bool:
    """Draw every seed and, beside those of one x, their mean; whether the axis cuts an interval.

    slot: distance between two series; the limits of the axis stand before.
    """
    x, y = x[y.notna()].astype(float), y.dropna()
    if y.empty:
        return False
    several = y.groupby(x).transform("size") > 1
    look = {"color": look["color"], "marker": look["marker"], "native_scale": True, "ax": axes}
    aside = x + ASIDE * slot * several
    sns.pointplot(
        x=aside.to_numpy(), y=y.to_numpy(), errorbar=ends, capsize=0.1 * slot, markersize=4.5,
        linestyle="none", markeredgewidth=0, err_kws={"linewidth": 1}, **look,
    )  # fmt: skip
    if several.any():
        sns.stripplot(
            x=(x - ASIDE * slot)[several].to_numpy(), y=y[several].to_numpy(), jitter=False,
            size=3, alpha=0.45, linewidth=0, **look,
        )  # fmt: skip
    return cut_ends(axes, aside, y, look["color"])


def cut_ends(axes: Axes, x: pd.Series, y: pd.Series, colour) -> bool:
    """Mark with an arrowhead where the axis cuts an interval; whether it cuts any."""
    bottom, top = axes.get_ylim()
    is_cut = False
    for place, group in y.groupby(x):
        low, high = ends(group)
        cuts = [(bottom, CARETDOWN)] * bool(low < bottom) + [(top, CARETUP)] * bool(high > top)
        for edge, marker in cuts:
            axes.plot(place, edge, marker=marker, color=colour, markersize=5, clip_on=False)
            is_cut = True
    return is_cut
