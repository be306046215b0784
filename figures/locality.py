"""What an update of a block depends on, method by method, measured by changing it.

Light cells are local, dark ones as in backpropagation. Later blocks: most whose weights change an
update, of those there are. Labels: where they are needed. Errors: whether the outcome of later
blocks reaches an update, directly or through a chain. Weights: whether those of the last block do,
errors being equal. Waits: for the passes of which other blocks. Blocks alive: most of which
something is kept at once. Passes: a sample and step.
"""

from figures import names, sentences, style

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLUMNS = ["Later\nblocks", "Labels", "Errors", "Weights", "Waits", "Blocks\nalive",
           "Forward\npasses", "Backward\npasses"]  # fmt: skip
LEVELS = {"no": 0, "none": 0, "units": 0, "input": 0, "direct": 0.5, "forward": 0.5}
ROW = 0.17  # height in inches


def cells(row: pd.Series) -> list[tuple[str, float]]:
    """The text of every column, and how far it is from local, 0 to 1."""
    later, others = max(map(int, row["later_blocks"].split("+"))), row["blocks"] - 1
    named = [(row[name], LEVELS.get(row[name], 1)) for name in ("labels", "errors")]
    unknown = pd.isna(row["weights"])
    weights = ("", 0) if unknown else ("yes" if row["weights"] else "no", float(row["weights"]))
    counts = [(f"{row[name]:g}", 0) for name in ("forward_passes", "backward_passes")]
    alive = row["blocks_alive"]
    return [
        (f"{later} of {others}", later / others),
        *named,
        weights,
        (row["locking"], LEVELS.get(row["locking"], 1)),
        (f"{alive} of {row['blocks']}", (alive - 1) / others),
        *counts,
    ]


def draw_panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the matrix of the series of one model."""
    series = names.all_series(rows)
    found = [cells(style.pick(rows, method=m, variant=v).iloc[0]) for m, v in series]
    levels = [[level for _, level in one] for one in found]
    axes.imshow(levels, cmap="Blues", vmin=0, vmax=2, aspect="auto")
    for y, one in enumerate(found):
        for x, (text, _) in enumerate(one):
            axes.text(x, y, text, ha="center", va="center", fontsize=7)
    axes.set_xticks(range(len(COLUMNS)), COLUMNS)
    axes.set_yticks(range(len(series)), [names.series_label(one) for one in series])
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def draw(locality: pd.DataFrame) -> Figure:
    """One panel a model."""
    models = names.ordered(locality["model"])
    most = locality.groupby("model").size().max()
    titles = [names.label(model) for model in models] if len(models) > 1 else [""]
    figure, axes = style.panels(titles, 1, (style.PAGE, ROW * most + 0.4))
    for panel, model in zip(axes, models, strict=True):
        draw_panel(panel, style.pick(locality, model=model))
    counts = names.count(locality["blocks"])
    style.note(figure, f"Light: local. Dark: as in backpropagation. Models of {counts} blocks.")
    return figure


def describe(locality: pd.DataFrame) -> str:
    """Which methods have no later block change an update, and none wait."""

    def local(rows: pd.DataFrame) -> list[str]:
        is_local = ~rows["later_blocks"].str.contains("[1-9]") & (rows["errors"] == "no")
        found = rows[is_local][["method", "variant"]].itertuples(index=False)
        return [names.series_label(one) for one in sorted(set(found))]

    return sentences.text(
        sentences.sentence(
            f"{names.label(model)}, no later block or error in an update",
            local(style.pick(locality, model=model)),
        )
        for model in names.ordered(locality["model"])
    )


def main(arguments: list[str] | None = None) -> None:
    """Read locality.csv, write the figure."""
    style.command(draw, describe, ("locality",), arguments)


if __name__ == "__main__":
    main()
