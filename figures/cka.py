"""Similarity of the activations of two units, in one network and across methods.

Linear CKA, from 0 to 1, on the same test images: of the units of one network, and of those of a
local method (y) with those of the baseline (x) of equal seed; 1 is equal up to rotation and scale.
Means over seeds; n is stated below the panels. Unit 1, next to the image, is at the lower left. A
bright diagonal between two methods says that they learn similar representations at equal depth. On
few images values are too high where there are more features than images.
"""

from figures import names, sentences, style

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from svp_core import tables

OTHER = ["other_method", "other_variant"]
MOST = 5  # panels beside each other
NUMBERS = 6  # units up to which the values are written


def cells(cka: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Title and rows of every panel: first networks by themselves, then beside the baseline."""
    series = names.all_series(cka)
    found = []
    for dataset, model, part in names.tasks(cka):
        keys = list(dict.fromkeys(part[[*tables.SERIES, *OTHER]].itertuples(index=False)))
        keys = [tuple(key) for key in keys]
        keys.sort(key=lambda key: (key[:2] != key[2:], series.index(key[:2])))
        for key in keys:
            rows = style.pick(part, **dict(zip([*tables.SERIES, *OTHER], key, strict=True)))
            found.append((title(dataset, model, key), rows))
    return found


def title(dataset: str, model: str, key: tuple) -> str:
    """What a panel compares, in two lines."""
    one, other = key[:2], key[2:]
    text = names.series_label(one)
    if one != other:
        text += f" (y), {names.series_label(other)} (x)"
    return f"{names.task_label(dataset, model)}\n{text}"


def draw(cka: pd.DataFrame) -> Figure:
    """A heat map a pair of series, means over seeds."""
    if cka.empty:
        return style.nothing("No record keeps representations (config gram_images).")
    found = cells(cka)
    of_task = len(style.pick(cka, dataset=cka["dataset"][0], model=cka["model"][0])[
        [*tables.SERIES, *OTHER]].drop_duplicates())  # fmt: skip
    columns = min(of_task, MOST)
    figure, axes = style.panels([name for name, _ in found], columns, (style.PAGE, 1.6))
    for panel, (_, rows) in zip(axes, found, strict=True):
        means = rows.pivot_table(index="unit", columns="other_unit", values="cka").iloc[::-1]
        has_numbers = max(means.shape) <= NUMBERS
        sns.heatmap(
            means, vmin=0, vmax=1, cmap="viridis", cbar=False, square=True, ax=panel,
            annot=has_numbers, fmt=".2f", annot_kws={"size": 6}, linewidths=0.4 * has_numbers,
        )  # fmt: skip
        panel.grid(False)
        panel.tick_params(length=0, rotation=0, labelsize=7)
        panel.title.set_fontsize(7)
    style.name_axes(figure, "Unit", "Unit")
    n = names.count(cka.groupby([*tables.TASK, *tables.SERIES, *OTHER])["seed"].nunique())
    style.note(figure, f"Linear CKA, means over seeds (n = {n}). Dark: 0, bright: 1.")
    return figure


def describe(cka: pd.DataFrame) -> str:
    """Mean similarity of first and last units, and of last units to the baseline's."""

    def part(name: str, rows: pd.DataFrame) -> str:
        is_own = (rows["other_method"] == rows["method"]) & (
            rows["other_variant"] == rows["variant"]
        )
        own, others = rows[is_own], rows[~is_own]
        last = own["unit"].max()
        ends = style.pick(own, unit=1, other_unit=last)["cka"].mean()
        text = f"{name} {ends:.2f} between units 1 and {last}"
        beside = style.pick(others, unit=last, other_unit=others["other_unit"].max())["cka"]
        if beside.empty:
            return text
        return f"{text}, {beside.mean():.2f} between the last units of both methods"

    return sentences.text(
        sentences.sentence(cell, (part(*one) for one in sentences.of_series(rows)))
        for cell, rows in sentences.cells(cka)
    )


def main(arguments: list[str] | None = None) -> None:
    """Read cka.csv, write the figure."""
    style.command(draw, describe, ("cka",), arguments)


if __name__ == "__main__":
    main()
