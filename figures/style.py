"""What all figures share: looks of series, panels, legends, notes, and the command line."""

import argparse
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from textwrap import fill

from figures.names import (
    Series,
    all_series,
    natural,
    ordered,
    series_label,
    task_label,
    tasks,
)

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from svp_core import tables

COLUMN, PAGE = 3.25, 6.75  # widths of one and of two columns of a paper, in inches
WIDTHS = {"fitted": None, "one_column": COLUMN, "two_columns": PAGE}
chosen = {"width": None}  # what the command line asks of all figures of a process, in inches
MARGIN = 0.6  # height of a legend and a note of two lines each, in inches
LINE = 0.16  # height of one more line
LETTER, HANDLE = 0.065, 0.5  # width of a letter in the legend, and of what stands before a label
MIB = 2**20

# Okabe and Ito's colours, which stay distinct for colour-blind readers; known methods keep theirs.
# Others have what is left of them, of Tol's muted scheme wine, olive, indigo, rose and green, and
# brown: eight colours in turn with nine markers, so that a table of all peers has no looks alike.
COLOURS = {
    "bp": "#000000",
    "svp": "#0072B2",
    "sll": "#D55E00",
    "local_lda": "#009E73",
    "predsim": "#CC79A7",
}
OTHER_COLOURS = ["#E69F00", "#56B4E9", "#882255", "#999933", "#332288", "#CC6677", "#117733"]
OTHER_COLOURS += ["#8C564B"]
MARKERS = {"bp": "o", "svp": "s", "sll": "^", "local_lda": "P", "predsim": "X"}
OTHER_MARKERS = "Dv<>ph*dH"
DASHES = {"bp": "-", "svp": "--", "sll": "-.", "local_lda": (0, (5, 1, 1, 1, 1, 1)), "predsim": ":"}
OTHER_DASHES = [(0, (4, 1.5)), (0, (1, 1)), (0, (6, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1))]
PALER = [0.25, 0.6, 0.45]  # parts of white in the colours of variants, in turn

plt.rcdefaults()  # a matplotlibrc in the working directory must not change a figure
plt.rcParams.update(
    {
        "backend": "agg",  # nodes of a cluster have no display
        "font.family": "DejaVu Sans",
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.labelsize": 8,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": "0.9",
        "grid.linewidth": 0.5,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "legend.fontsize": 8,
        "legend.frameon": False,
        "legend.handlelength": 2.4,
        "lines.linewidth": 1.5,
        "pdf.fonttype": 42,  # keep text as text
        "savefig.dpi": 200,
    }
)


def pick(frame: pd.DataFrame, **values) -> pd.DataFrame:
    """Rows whose columns have these values."""
    for column, value in values.items():
        frame = frame[frame[column] == value]
    return frame


def mixed(colour: str, other: str, part: float) -> tuple[float, float, float]:
    """A colour with a part of another in it."""
    pairs = zip(to_rgb(colour), to_rgb(other), strict=True)
    return tuple((1 - part) * one + part * two for one, two in pairs)


def method_look(method: str, others: list[str]) -> tuple:
    """Colour, marker and dashes of a method; `others`: those without a colour of their own."""
    if method in COLOURS:
        return COLOURS[method], MARKERS[method], DASHES[method]
    place = others.index(method)
    turn, colour = divmod(place, len(OTHER_COLOURS))
    look = OTHER_MARKERS[place % len(OTHER_MARKERS)], OTHER_DASHES[place % len(OTHER_DASHES)]
    return mixed(OTHER_COLOURS[colour], "black", min(0.4 * turn, 0.6)), *look


def looks(table: pd.DataFrame, drawn: pd.DataFrame | None = None) -> dict[Series, dict]:
    """Colour, marker and dashes of the series that are drawn.

    They depend on the whole table alone: a colour a method, and of it a shade, a marker and dashes
    a variant, so that a series looks the same in all figures of a table.
    """
    series = all_series(table)
    others = [name for name in ordered(table["method"]) if name not in COLOURS]
    variants = sorted({variant for _, variant in series} - {"default"}, key=natural)
    result = {}
    for method, variant in series if drawn is None else all_series(drawn):
        colour, marker, dashes = method_look(method, others)
        if variant != "default":
            place = variants.index(variant)
            colour = mixed(colour, "white", PALER[place % len(PALER)])
            markers = OTHER_MARKERS.replace(marker, "")
            marker, dashes = markers[place % len(markers)], OTHER_DASHES[place % len(OTHER_DASHES)]
        result[method, variant] = {"color": colour, "marker": marker, "linestyle": dashes}
    return result


def wrapped(width: float, columns: int) -> tuple[float, int]:
    """The width that is asked for, else the one given, and how many columns of panels fit there."""
    found = chosen["width"] or width
    return found, max(int(columns * min(found / width, 1) + 0.1), 1)


def panels(names: list[str], columns: int, size: tuple) -> tuple[Figure, list[Axes]]:
    """A figure of titled panels; size: its width, and the height of a row, in inches."""
    width, columns = wrapped(size[0], columns)
    rows = -(-len(names) // columns)
    figsize = width, size[1] * rows + MARGIN
    figure, grid = plt.subplots(rows, columns, figsize=figsize, squeeze=False, layout="constrained")
    axes = list(grid.flat[: len(names)])
    for panel, name in zip(axes, names, strict=True):
        panel.set_title(name)
    for panel in grid.flat[len(names) :]:
        panel.remove()
    return figure, axes


def name_axes(figure: Figure, x: str = "", y: str = "") -> None:
    """Name the axes: x below the lowest panel of each column, y left of the first of each row."""
    places = {axes: axes.get_subplotspec() for axes in figure.axes}
    for axes, place in places.items():
        row, column = place.rowspan.start, place.colspan.start
        others = [(one.rowspan.start, one.colspan.start) for one in places.values()]
        axes.set_xlabel("" if any(r > row and c == column for r, c in others) else x)
        axes.set_ylabel("" if any(r == row and c < column for r, c in others) else y)
    figure.align_ylabels()


def dataset_model_panels(frame: pd.DataFrame, height: float = 1.8) -> tuple:
    """A figure and, for each dataset and model, its panel and its rows of the frame."""
    parts, models = tasks(frame), frame["model"].nunique()
    names = [task_label(dataset, model) for dataset, model, _ in parts]
    columns = min(models if 1 < models <= 4 else 3, len(parts))
    size = (COLUMN if len(parts) == 1 else PAGE, height)
    figure, axes = panels(names, columns, size)
    return figure, [(panel, part) for panel, (_, _, part) in zip(axes, parts, strict=True)]


def handle(series: Series, look: dict, **changes) -> Line2D:
    """The entry of a series in the legend."""
    return Line2D([], [], **look | {"markersize": 4, "label": series_label(series)} | changes)


def legend(figure: FigureBase, handles: list) -> None:
    """One legend above all panels, in as many columns as the width has room for."""
    width = figure.bbox.width / figure.dpi - HANDLE
    for handle in handles:
        handle.set_label(fill(handle.get_label(), int(width / LETTER)))
    lines = [line for handle in handles for line in handle.get_label().split("\n")]
    columns = int((width + HANDLE) / (HANDLE + LETTER * max(map(len, lines))))
    columns = min(len(handles), max(columns, 1))
    if isinstance(figure, Figure):
        height = max(-(-len(lines) // columns) - 2, 0)
        figure.set_figheight(figure.get_figheight() + LINE * height)
    figure.legend(handles=handles, loc="outside upper center", ncols=columns)


def note(figure: Figure, text: str) -> None:
    """A remark below all panels, wrapped to the width of the figure."""
    lines = fill(text, int(20 * figure.get_figwidth()))
    extra = max(lines.count("\n") - 1, 0)
    figure.set_figheight(figure.get_figheight() + 0.8 * LINE * extra)
    figure.supxlabel(lines, fontsize=7, color="0.25")


def nothing(reason: str) -> Figure:
    """A small figure that says why it shows nothing."""
    figure, axes = plt.subplots(figsize=(COLUMN, 0.6), layout="constrained")
    axes.axis("off")
    text = fill(reason, int(19 * COLUMN))
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=7, color="0.25")
    return figure


def save(figure: Figure, seen: str, png: Path, pdf: Path) -> None:
    """Write the figure twice; equal figures give equal bytes.

    The picture carries what one sees in it, which a report and a reader of screens need.
    """
    contents = {}
    note = " ".join(figure.get_supxlabel().split("\n"))
    for path, kind, metadata in (
        (png, "png", {"Software": "matplotlib", "Description": seen, "Comment": note}),
        (pdf, "pdf", {"CreationDate": None, "Creator": None, "Producer": "matplotlib"}),
    ):
        buffer = BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata)
        contents[path] = buffer.getvalue()
    plt.close(figure)
    tables.write(contents)


def command(
    draw: Callable[..., Figure],
    describe: Callable[..., str],
    names: tuple[str, ...],
    arguments: list[str] | None,
) -> None:
    """Run a figure script: read the named tables, draw, say what one sees, save."""
    parser = argparse.ArgumentParser(description=sys.modules[draw.__module__].__doc__)
    for name in names:
        parser.add_argument(name, type=Path, help=f"table {name}, such as {name}.csv")
    parser.add_argument("--png", type=Path, required=True)
    parser.add_argument("--pdf", type=Path, required=True)
    parser.add_argument("--width", choices=WIDTHS, default="fitted", help="columns of a paper")
    options = parser.parse_args(arguments)
    chosen["width"] = WIDTHS[options.width]
    with tables.exit_on_error():
        frames = [tables.read(getattr(options, name), name) for name in names]
        save(draw(*frames), describe(*frames), options.png, options.pdf)
