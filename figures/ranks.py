"""Mean rank of every series over datasets and models, and the difference that chance explains.

Series are ranked by mean test accuracy in every cell, a dataset and model, 1 the best; only those
with completed runs in all cells take part, and a model whose cells more series have has a panel of
its own. Small points are ranks in cells, large ones their mean.
Series whose mean is within the band, one critical difference (Nemenyi, 5 %) wide, are not told
apart from the best one; p is Friedman's, that all series are alike (Demsar, JMLR 7, 2006). Ranks
take cells for independent draws, which models of one dataset are not.
"""

from collections.abc import Iterator
from math import inf

from figures import names, sentences, style

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import friedmanchisquare, studentized_range
from svp_core import tables

ROW = 0.16  # height of a series in inches
LEAST = 3  # series, and cells, that a test needs


def ranks(runs: pd.DataFrame) -> pd.DataFrame:
    """Rank of every series, a line each, in every cell, a column each; 1 is the best."""
    completed = style.pick(runs, status="completed")
    means = completed.groupby([*tables.SERIES, *tables.TASK])["test_accuracy"].mean()
    accuracy = means.unstack(tables.TASK).dropna()
    found = accuracy.rank(ascending=False)
    return found.loc[found.mean(axis=1).sort_values(kind="stable").index]


def critical_difference(series: int, cells: int, level: float = 0.05) -> float:
    """Difference of two mean ranks that chance exceeds with this probability (Nemenyi)."""
    quantile = studentized_range.ppf(1 - level, series, inf) / 2**0.5
    return float(quantile * (series * (series + 1) / (6 * cells)) ** 0.5)


def panels(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Ranks over all cells, and over those of a model where more series have them all."""
    found = {"all": ranks(runs)}
    for model in names.ordered(runs["model"]):
        part = ranks(style.pick(runs, model=model))
        if len(part) > len(found["all"]):
            found[names.label(model)] = part
    return {name: part for name, part in found.items() if min(part.shape) >= LEAST}


def title(name: str, found: pd.DataFrame) -> str:
    """What is ranked over how many cells, and what chance explains."""
    p = friedmanchisquare(*found.to_numpy()).pvalue
    text = f"{name}, {found.shape[1]} cells: " if name != "all" else f"{found.shape[1]} cells: "
    return text + f"critical difference {critical_difference(*found.shape):.1f}, p = {p:.2g}"


def draw_panel(axes: Axes, found: pd.DataFrame, looks: dict) -> None:
    """Draw the ranks of every series, their mean, and the band from the best one."""
    count, cells = found.shape
    means = found.mean(axis=1)
    difference = critical_difference(count, cells)
    axes.axvspan(means.iloc[0], means.iloc[0] + difference, color="0.93", zorder=0)
    for place, (series, row) in enumerate(found.iterrows()):
        look = {"color": looks[series]["color"], "marker": looks[series]["marker"]}
        axes.scatter(row, [place] * cells, s=7, alpha=0.5, linewidth=0, **look)
        axes.scatter(means[series], place, s=36, **look)
    axes.set_yticks(range(count), map(names.series_label, found.index))
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_xlim(0.5, count + 0.5)
    axes.grid(axis="x")


def draw(runs: pd.DataFrame) -> Figure:
    """One panel of the series that have all cells, and one a model that more series have."""
    found = panels(runs)
    if not found:
        return style.nothing(f"Ranks need {LEAST} series that all have {LEAST} cells or more.")
    rows = max(map(len, found.values()))
    titles = [title(*one) for one in found.items()]
    figure, axes = style.panels(titles, 1, (style.PAGE, ROW * rows + 0.3))
    looks = style.looks(runs)
    for panel, part in zip(axes, found.values(), strict=True):
        draw_panel(panel, part, looks)
    style.name_axes(figure, x="Rank by test accuracy")
    style.note(figure, explanation(runs, found))
    return figure


def explanation(runs: pd.DataFrame, found: dict[str, pd.DataFrame]) -> str:
    """What points and band are, and who is left out."""
    text = (
        "Small points: ranks in cells. Large: their mean. Band: critical difference. p: Friedman's."
    )
    absent = len(names.all_series(runs)) - len(
        {one for part in found.values() for one in part.index}
    )
    return text + (f" Not shown: {absent} without a completed run in every cell." if absent else "")


def describe(runs: pd.DataFrame) -> str:
    """The mean ranks, and the critical difference."""

    def parts(found: pd.DataFrame) -> Iterator[str]:
        yield f"critical difference {critical_difference(*found.shape):.1f}"
        for series, mean in found.mean(axis=1).items():
            yield f"{names.series_label(series)} {mean:.1f}"

    return sentences.text(
        sentences.sentence(
            f"Mean ranks over {found.shape[1]} cells" + ("" if name == "all" else f" of {name}"),
            parts(found),
        )
        for name, found in panels(runs).items()
    )


def main(arguments: list[str] | None = None) -> None:
    """Read runs.csv, write the figure."""
    style.command(draw, describe, ("runs",), arguments)


if __name__ == "__main__":
    main()
