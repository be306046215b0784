"""Logarithmic axes with plain numbers at few ticks."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import (
    FixedLocator,
    Locator,
    LogLocator,
    MaxNLocator,
    NullLocator,
    StrMethodFormatter,
)


def log_ticks(decades: float) -> Locator:
    """A few ticks for a logarithmic axis of this length."""
    if decades < 0.4:
        return MaxNLocator(4, steps=[1, 2, 5, 10])
    if decades < 0.9:
        return LogLocator(10, (1, 1.5, 2, 3, 5, 7))
    return LogLocator(10, (1, 3) if decades < 2.2 else (1,), numticks=5)


def log_axis(axis: Axis, room: float = 0.06, least: float = 1) -> None:
    """Make an axis logarithmic, with plain numbers at as many ticks as it has room for.

    It spans a factor of `least` or more, so that a small difference looks small.
    """
    is_x = axis.axis_name == "x"
    (axis.axes.set_xscale if is_x else axis.axes.set_yscale)("log")
    low, high = axis.get_data_interval()
    low, high = (low, high) if low < high else (low / 2, high * 2)
    if high / low < least:
        middle = (low * high) ** 0.5
        low, high = middle / least**0.5, middle * least**0.5
    margin = (high / low) ** room
    (axis.axes.set_xlim if is_x else axis.axes.set_ylim)(low / margin, high * margin)
    axis.set_major_locator(log_ticks(np.log10(high / low)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))


def size_axis(axis: Axis, values: Iterable[float], apart: float = 0.26) -> None:
    """Make an axis logarithmic, with ticks at those of the sizes that it has room for.

    apart: distance of ticks, as a part of that between the smallest and the largest size.
    """
    log_axis(axis)
    values = sorted(set(values), reverse=True)  # the largest is the one to read
    kept = values[:1]
    for value in values[1:]:
        if value <= kept[-1] / (values[0] / values[-1]) ** apart:
            kept.append(value)
    axis.set_major_locator(FixedLocator(kept))
