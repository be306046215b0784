"""Accuracy lost to the baseline against reach, the blocks that one loss trains, and against memory.

Left: against the number of consecutive blocks that one loss trains. Right: against the peak memory
of a training step as a part of the baseline's. One row a dataset and model. Points: mean over seeds
of the difference in test accuracy at the same seed, in percentage points, with its 95 % Student t
interval; without one if there is a single seed. The baseline is the line at zero, its marker stands
at its own reach and memory. A line is a method with one option that grows: the blocks of a unit,
or the units that a loss trains besides its own (overlap). Where an interval is wider than the axis,
an arrowhead marks the end that is cut off. Runs without a difference are counted below.
"""

from figures import intervals, names, scales, sentences, style
from figures.ablation import text

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from svp_core import tables
from svp_core.tables.statistics import ends

BLOCKS, OVERLAP = "blocks", "overlap"  # the options that reach follows from
Y = "difference"
MOST = 3  # options that a legend names, rather than the variant
ASIDE = 0.012  # between neighbouring lines, which share values of reach, as a part of the axis


def families(runs: pd.DataFrame) -> pd.Series:
    """What each run has in common with those of its line, in words; empty for plain units.

    Where too many options differ to be named, as between tuned runs, that is its variant.
    """
    others = [name for name in runs if name not in [*tables.columns("reach"), BLOCKS, OVERLAP]]
    result = pd.Series("", runs.index)
    for _, group in runs.groupby("method"):
        varied = [name for name in others if group[name].nunique(dropna=False) > 1]
        if len(varied) > MOST:
            result[group.index] = group["variant"].str.replace("_", " ").replace("default", "")
            continue
        several = BLOCKS in group and group[BLOCKS].nunique() > 1
        for index, row in group.iterrows():
            parts = [f"{name} {text(row[name])}".replace("_", " ") for name in varied]
            if OVERLAP in row and pd.notna(row[OVERLAP]) and row[OVERLAP] > 0:
                size = f"{row[BLOCKS]} block{'s' if row[BLOCKS] > 1 else ''} a unit"
                parts = [*([size] if several else []), "overlap n", *parts]
            result[index] = ", ".join(parts)
    return result


def label(series: names.Series, runs: pd.DataFrame) -> str:
    """How the legend calls a line."""
    method, family = series
    grows = BLOCKS in runs and runs[BLOCKS].nunique() > 1 and "overlap n" not in family
    parts = [names.label(method), *(["units of n blocks"] if grows else []), family]
    return ", ".join(part for part in parts if part)


def with_start(rows: pd.DataFrame, line: pd.DataFrame) -> pd.DataFrame:
    """A line of growing overlap with the units that it starts at, those without overlap."""
    if OVERLAP not in line or not line[OVERLAP].gt(0).any():
        return line
    options = [name for name in rows if name not in [*tables.columns("reach"), OVERLAP, "family"]]
    is_plain = rows["method"].isin(line["method"]) & rows[OVERLAP].eq(0)
    for name in options:
        is_plain &= rows[name].isin(line[name])
    return pd.concat([rows[is_plain], line])


def draw_line(axes: Axes, rows: pd.DataFrame, line: pd.DataFrame, x: str, look: dict) -> bool:
    """Draw the means of a line by growing reach, with intervals; whether the axis cuts any."""
    span = rows[x].max() / rows[x].min()
    shift = span ** (ASIDE * look["place"]) if x == "reach" else 1

    def placed(part: pd.DataFrame) -> pd.DataFrame:
        at = part.groupby(["variant"])[x].transform("mean") * shift
        return part.assign(**{x: at}).sort_values("reach", kind="stable")

    colour = look["color"]
    path = placed(with_start(rows, line)).groupby("variant", sort=False)[[x, Y]].mean()
    axes.plot(path[x], path[Y], color=colour, linestyle=look["linestyle"], linewidth=1)
    points = placed(line)
    sns.lineplot(
        points, x=x, y=Y, errorbar=ends, err_style="bars", sort=False, linestyle="none",
        color=colour, marker=look["marker"], markersize=5, markeredgewidth=0, legend=False,
        err_kws={"elinewidth": 0.9, "capsize": 1.5, "capthick": 0.9}, ax=axes,
    )  # fmt: skip
    return intervals.cut_ends(axes, points[x], points[Y], colour)


def draw_baseline(axes: Axes, rows: pd.DataFrame, x: str, look: dict) -> None:
    """Draw the line at zero, and a marker at the reach and memory of the baseline."""
    axes.axhline(0, color=look["color"], linewidth=0.8, zorder=1)
    itself = style.pick(rows, method=rows["baseline"].iloc[0], variant="default")
    axes.plot(itself[x].mean(), 0, color=look["color"], marker=look["marker"], markersize=4.5)


def limits(rows: pd.DataFrame) -> tuple[float, float]:
    """Ends of an axis of differences, with zero between them."""
    low, high = intervals.limits(rows[Y], [rows["method"], rows["variant"]], (-100, 100))
    margin = 0.06 * (max(high, 0) - min(low, 0))
    return min(low, -margin), max(high, margin)


def draw_row(panels: tuple[Axes, Axes], rows: pd.DataFrame, looks: dict) -> bool:
    """Draw a dataset and model, reach left and memory right; whether an interval is cut."""
    shown = rows[rows[Y].notna() & (rows["method"] != rows["baseline"])]
    is_cut = False
    for axes, x in zip(panels, ("reach", "relative_memory"), strict=True):
        axes.set_ylim(limits(shown))
        for (method, family), look in looks.items():
            if method == rows["baseline"].iloc[0]:
                draw_baseline(axes, rows, x, look)
            elif not (line := style.pick(shown, method=method, family=family)).empty:
                is_cut |= draw_line(axes, shown, line, x, look)
        axes.grid(axis="x")
    scales.size_axis(panels[0].xaxis, rows["reach"].dropna(), apart=0.07)
    scales.log_axis(panels[1].xaxis, least=1.5)
    return is_cut


def explanation(runs: pd.DataFrame, shown: pd.DataFrame, is_cut: bool) -> str:
    """What points are, n, and how many runs have none."""
    baseline = names.label(runs["baseline"].iloc[0])
    n = shown.groupby([name for name in tables.RUN if name != "seed"])["seed"].nunique()
    several = n.max() > 1
    points = "mean over seeds with its 95 % Student t interval" if several else "one seed each"
    parts = [f"Points: {points} (n = {names.count(n)}). Line at zero: {baseline}."]
    if is_cut:
        parts.append("Arrowhead: the interval goes on beyond the axis.")
    others = runs[runs["method"] != runs["baseline"]]
    if missing := len(others) - len(shown):
        parts.append(f"Not shown: {missing} of {len(others)} runs, as they or {baseline} diverged.")
    return " ".join(parts)


def looks_of(runs: pd.DataFrame) -> dict[names.Series, dict]:
    """Look and place of every line: a colour a method, of it a shade a family."""
    found = style.looks(runs.assign(variant=runs["family"].replace("", "default")))
    looks = {(method, name.replace("default", "")): look for (method, name), look in found.items()}
    lines = [one for one in looks if one[0] != runs["baseline"].iloc[0]]
    for place, one in enumerate(lines):
        looks[one]["place"] = place - (len(lines) - 1) / 2
    return looks


def draw(reach: pd.DataFrame) -> Figure:
    """Two panels a dataset and model."""
    is_baseline = reach["method"] == reach["baseline"]
    runs = reach.assign(family=families(reach).mask(is_baseline, ""))
    shown = runs[runs[Y].notna() & runs["reach"].notna() & ~is_baseline]
    if shown.empty:
        return style.nothing("No run completed beside one of the baseline.")
    looks = looks_of(pd.concat([runs[is_baseline], shown]))
    figure, rows = row_panels(runs, shown)
    is_cut = False
    for panels, part in rows:
        is_cut |= draw_row(panels, part, looks)
    baseline = names.label(reach["baseline"].iloc[0])
    style.name_axes(figure, "Blocks that one loss trains", f"Difference to {baseline} (points)")
    rows[-1][0][1].set_xlabel(f"Peak memory of a step, part of {baseline}'s")
    style.legend(figure, handles(runs, looks))
    style.note(figure, explanation(runs, shown, is_cut))
    return figure


def handles(runs: pd.DataFrame, looks: dict) -> list:
    """The entries of the legend."""
    found = []
    for series, look in looks.items():
        line = style.pick(runs, method=series[0], family=series[1])
        look = {name: value for name, value in look.items() if name != "place"}
        found.append(style.handle(series, look, label=label(series, line), linewidth=1))
    return found


def row_panels(runs: pd.DataFrame, shown: pd.DataFrame) -> tuple[Figure, list]:
    """A figure, and two panels and the runs of every dataset and model that has any to show."""
    tasks = [(dataset, model) for dataset, model, _ in names.tasks(shown)]
    titles = [names.task_label(*task) for task in tasks for _ in range(2)]
    figure, axes = style.panels(titles, columns=2, size=(style.PAGE, 2))
    pairs = zip(axes[::2], axes[1::2], strict=True)
    parts = [style.pick(runs, dataset=dataset, model=model) for dataset, model in tasks]
    return figure, list(zip(pairs, parts, strict=True))


def describe(reach: pd.DataFrame) -> str:
    """The mean difference of every series, by reach."""

    def part(name: str, rows: pd.DataFrame) -> str:
        mean, (low, high) = rows[Y].mean(), ends(rows[Y])
        interval = "" if pd.isna(low) else f" [{low:+.2f}, {high:+.2f}]"
        return f"{name} {mean:+.2f}{interval} at reach {rows['reach'].iloc[0]:g}"

    others = reach[reach[Y].notna()].sort_values("reach", kind="stable")
    return sentences.text(
        sentences.sentence(cell, (part(*one) for one in sentences.of_series(rows)))
        for cell, rows in sentences.cells(others)
    )


def main(arguments: list[str] | None = None) -> None:
    """Read the table of reach, write the figure."""
    style.command(draw, describe, ("reach",), arguments)


if __name__ == "__main__":
    main()
