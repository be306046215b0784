"""What all figures share: labels, colours, sizes, panels, and the command line."""

import argparse
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D

from svp_core import tables

COLUMN, PAGE = 3.25, 6.75  # widths of one and of two columns of a paper, in inches
MARGIN = 0.6  # height of a legend and a note of two lines each, in inches
LINE = 0.16  # height of one more line
MIB = 2**20

LABELS = {
    "digits": "Digits",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "imagenette": "Imagenette",
    "imagenet": "ImageNet",
    "mlp": "MLP",
    "mlp_1000": "MLP, 1000 layers",
    "cnn": "CNN",
    "vgg": "VGG",
    "vgg11": "VGG-11",
    "vgg19": "VGG-19",
    "resnet": "ResNet",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "resnet152": "ResNet-152",
    "vit": "ViT",
    "vit_s": "ViT-S",
    "vit_b": "ViT-B",
    "bp": "BP",
    "svp": "SVP",
    "sll": "SLL",
}
# Okabe and Ito's colours, which stay distinct for colour-blind readers.
COLOURS = {"bp": "#000000", "svp": "#0072B2", "sll": "#D55E00"}
OTHER_COLOURS = ["#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
MARKERS = {"bp": "o", "svp": "s", "sll": "^"}
OTHER_MARKERS = ["D", "v", "P", "X"]
DASHES = {"bp": "-", "svp": "--", "sll": "-."}
OTHER_DASHES = [":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1))]
SHADES = {  # of the colour of a method, for the variants below
    "bp": ["#000000", "0.35", "0.6"],
    "svp": ["#0072B2", "#003A5C", "#56B4E9"],
    "sll": ["#D55E00", "#8F3F00", "#F0A060"],
}
VARIANTS = {  # in the order of figures: shade, marker and dashes, which change with no method
    "checkpoint_blocks": (1, "^", (0, (4, 1.5))),
    "checkpoint_segments": (1, "v", (0, (1, 1))),
    "micro_batches_4": (2, "D", (0, (4, 1.5))),
    "micro_batches_16": (2, "d", (0, (1, 1))),
    "fused": (0, "X", (0, (4, 1.5))),
    "after": (1, "o", (0, (4, 1.5))),
    "d0_128": (2, "<", (0, (4, 1.5))),
    "d0_512": (1, ">", (0, (1, 1))),
    "codebook": (0, "p", (0, (6, 1, 1, 1))),
    "blocks_2": (1, "h", (0, (6, 1, 1, 1))),
    "blocks_4": (1, "*", (0, (1, 1))),
}
SIZES = {"depth": "depth", "width": "width", "batch": "batch", "image_size": "image size"}

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

Series = tuple[str, str]  # method and variant


def label(name: str) -> str:
    """How figures call a dataset, model or method."""
    return LABELS.get(name, name)


def series_label(series: Series) -> str:
    """How figures call a method and its variant."""
    method, variant = series
    addition = "" if variant == "default" else f", {variant.replace('_', ' ')}"
    return label(method) + addition


def ordered(names: Iterable[str]) -> list[str]:
    """Distinct names in the order of LABELS, then of the alphabet."""
    known = list(LABELS)
    return sorted(set(names), key=lambda n: (known.index(n) if n in known else len(known), n))


def all_series(frame: pd.DataFrame) -> list[Series]:
    """Distinct series, ordered by method; then default, those of VARIANTS, and the alphabet."""
    found = set(zip(frame["method"], frame["variant"], strict=True))
    methods, variants = ordered(frame["method"]), ["default", *VARIANTS]
    places = {variant: place for place, variant in enumerate(variants)}
    return sorted(found, key=lambda s: (methods.index(s[0]), places.get(s[1], len(variants)), s[1]))


def pick(frame: pd.DataFrame, **values) -> pd.DataFrame:
    """Rows whose columns have these values."""
    for column, value in values.items():
        frame = frame[frame[column] == value]
    return frame


def seeds(frame: pd.DataFrame) -> str:
    """The number of seeds a series has in a panel, in words."""
    return count(frame.groupby(["dataset", "model", "method", "variant"])["seed"].nunique())


def count(numbers: pd.Series) -> str:
    """A number that all share, or their range in words."""
    low, high = numbers.min(), numbers.max()
    return f"{low}" if low == high else f"{low} to {high}"


def fixed_look(series: Series) -> tuple | None:
    """Colour, marker and dashes of a series that looks the same in all figures; else None."""
    method, variant = series
    if method not in COLOURS:
        return None
    if variant == "default":
        return COLOURS[method], MARKERS[method], DASHES[method]
    if variant not in VARIANTS:
        return None
    shade, marker, dashes = VARIANTS[variant]
    return SHADES[method][shade], marker, dashes


def looks(series: list[Series]) -> dict[Series, dict]:
    """Colour, marker and line style of each series; those of COLOURS and VARIANTS never change."""
    others = [s for s in series if fixed_look(s) is None]
    others.sort(key=lambda s: s[1] != "default")  # a new variant must not recolour a method
    result = {}
    for one in series:
        look = fixed_look(one)
        if look is None:
            index = others.index(one)
            turn = index % len(OTHER_COLOURS)
            shifted = (index + index // len(OTHER_COLOURS)) % len(OTHER_COLOURS)
            look = OTHER_COLOURS[turn], OTHER_MARKERS[shifted], OTHER_DASHES[shifted]
        result[one] = dict(zip(("color", "marker", "linestyle"), look, strict=True))
    return result


def in_order(models: dict) -> dict:
    """The same mapping of models in the order of figures."""
    return {model: models[model] for model in ordered(models)}


def sizes(rows: pd.DataFrame, *names: str) -> str:
    """The named sizes of the rows in words, without those that a model does not have."""
    known = {name: rows[name].dropna() for name in names}
    return ", ".join(
        f"{SIZES[name]} {count(values.astype(int))}"
        for name, values in known.items()
        if len(values)
    )


def fixed_sizes(models: dict[str, pd.DataFrame], *names: str) -> str:
    """The named sizes of each model, for a note; no line breaks within a model."""
    parts = [f"{label(model)}: {sizes(rows, *names)}." for model, rows in models.items()]
    return " ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts)


def panels(names: list[str], columns: int, size: tuple, x: str = "", y: str = "") -> tuple:
    """A figure of titled panels with labels on the outer axes; size: its width, a row's height."""
    rows = -(-len(names) // columns)
    figsize = size[0], size[1] * rows + MARGIN
    figure, grid = plt.subplots(rows, columns, figsize=figsize, squeeze=False, layout="constrained")
    axes = list(grid.flat[: len(names)])
    for panel, name in zip(axes, names, strict=True):
        panel.set_title(name)
    for panel in axes[-columns:]:
        panel.set_xlabel(x)
    for panel in axes[::columns]:
        panel.set_ylabel(y)
    for panel in grid.flat[len(names) :]:
        panel.remove()
    figure.align_ylabels(axes)
    return figure, axes


def dataset_model_panels(frame: pd.DataFrame, x: str, y: str) -> tuple:
    """A figure and, for each dataset and model, its panel and its rows of the frame."""
    models = ordered(frame["model"])
    parts = [
        (dataset, model, part)
        for dataset in ordered(frame["dataset"])
        for model in models
        if not (part := pick(frame, dataset=dataset, model=model)).empty
    ]
    names = [f"{label(dataset)}, {label(model)}" for dataset, model, _ in parts]
    columns = min(len(models) if len(models) <= 4 else 3, len(parts))
    size = (COLUMN if len(parts) == 1 else PAGE, 1.8)
    figure, axes = panels(names, columns, size, x, y)
    return figure, [(panel, part) for panel, (_, _, part) in zip(axes, parts, strict=True)]


def handle(series: Series, look: dict, **changes) -> Line2D:
    """The entry of a series in the legend."""
    return Line2D([], [], **look | {"markersize": 4, "label": series_label(series)} | changes)


def legend(figure: FigureBase, handles: list) -> None:
    """One legend above all panels, in as many columns as the width has room for."""
    longest = max(len(handle.get_label()) for handle in handles)
    columns = int(figure.bbox.width / figure.dpi / (0.5 + 0.065 * longest))  # inches
    columns = min(len(handles), max(columns, 1))
    if isinstance(figure, Figure):
        figure.set_figheight(
            figure.get_figheight() + LINE * max(-(-len(handles) // columns) - 2, 0)
        )
    figure.legend(handles=handles, loc="outside upper center", ncols=columns)


def note(figure: Figure, text: str) -> None:
    """A remark below all panels, wrapped to the width of the figure."""
    figure.supxlabel(fill(text, int(20 * figure.get_figwidth())), fontsize=7, color="0.25")


def nothing(reason: str) -> Figure:
    """A figure that says why it shows nothing."""
    figure, (axes,) = panels([""], 1, (COLUMN, 1.8))
    axes.axis("off")
    note(figure, reason)
    return figure


def save(figure: Figure, png: Path, pdf: Path) -> None:
    """Write the figure twice; equal figures give equal bytes."""
    contents = {}
    for path, kind, metadata in (
        (png, "png", {"Software": "matplotlib"}),
        (pdf, "pdf", {"CreationDate": None, "Creator": None, "Producer": "matplotlib"}),
    ):
        buffer = BytesIO()
        figure.savefig(buffer, format=kind, metadata=metadata)
        contents[path] = buffer.getvalue()
    plt.close(figure)
    tables.write(contents)


def command(
    draw: Callable[..., Figure], names: tuple[str, ...], arguments: list[str] | None
) -> None:
    """Run a figure script: read the named tables, draw, save."""
    parser = argparse.ArgumentParser(description=sys.modules[draw.__module__].__doc__)
    for name in names:
        parser.add_argument(name, type=Path, help=f"table {name}, such as {name}.csv")
    parser.add_argument("--png", type=Path, required=True)
    parser.add_argument("--pdf", type=Path, required=True)
    options = parser.parse_args(arguments)
    with tables.exit_on_error():
        frames = [tables.read(getattr(options, name), name) for name in names]
        save(draw(*frames), options.png, options.pdf)
