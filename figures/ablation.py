"""Test accuracy against the options that a study varies.

In per cent of the test images, one panel a dataset and model. One numeric option: the line is the
mean over seeds, the band its 95 % Student t interval, small points are seeds. One option of names,
or more than two: small points are seeds, large ones their mean with that interval, and an arrowhead
marks where the axis cuts it. Two options: the numbers are means, in colour, of the seeds that
completed. A single seed is a point without interval. n is stated below the panels, and how many
runs diverged; those are in no mean.
"""

from figures import intervals, names, scales, sentences, style

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from svp_core import tables
from svp_core.tables.statistics import ends

Y = "test_accuracy"
DECADE = 10  # a larger ratio of values asks for a logarithmic axis
LETTER = 0.06  # width of a letter of a tick label, in inches


def is_numeric(values: pd.Series) -> bool:
    """Whether an option has a number in every run."""
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return is_number and values.notna().all()


def text(value: object) -> str:
    """A value of an option on an axis."""
    if pd.isna(value):
        return "–"
    if isinstance(value, bool | str):
        return str(value).replace("True", "yes").replace("False", "no")
    return f"{value:g}"


def ordered(values: pd.Series) -> list[str]:
    """Distinct values as text: numbers by size, names by the alphabet."""
    return list(dict.fromkeys(map(text, values.drop_duplicates().sort_values())))


def draw_line(axes: Axes, rows: pd.DataFrame, option: str, looks: dict) -> bool:
    """Draw mean and interval against a numeric option, and the seeds; whether a band is cut."""
    bottom, top = axes.get_ylim()
    is_cut = False
    rows = rows.astype({option: float})
    for (method, _), look in looks.items():
        part = style.pick(rows, method=method)
        place = {"x": option, "y": Y, "ax": axes, "legend": False, "color": look["color"]}
        if part.groupby(option)["seed"].nunique().max() > 1:
            marks = {"marker": look["marker"], "markersize": 5, "markeredgewidth": 0}
            sns.lineplot(part, errorbar=ends, err_kws={"linewidth": 0}, **place, **marks)
            bands = [ends(group) for _, group in part.groupby(option)[Y]]
            is_cut |= any(low < bottom or high > top for low, high in bands)
            sns.scatterplot(part, s=9, alpha=0.45, linewidth=0, marker=look["marker"], **place)
        else:
            sns.scatterplot(part, s=25, linewidth=0, marker=look["marker"], **place)
    values = rows[option].unique()
    if values.min() > 0 and values.max() / values.min() > DECADE:
        scales.size_axis(axes.xaxis, values)
    return is_cut


def combinations(rows: pd.DataFrame, options: list[str]) -> pd.Series:
    """The combination of options of every run as text, in the order of the axis."""
    rows = rows.sort_values(options)
    return rows[options].map(text).agg(" / ".join, axis=1)


def draw_points(axes: Axes, rows: pd.DataFrame, options: list[str], looks: dict) -> bool:
    """Draw the seeds and means of every combination; whether an interval is cut."""
    labels = combinations(rows, options)
    order = list(dict.fromkeys(labels))
    slot = 0.8 / len(looks)
    is_cut = False
    for place, ((method, _), look) in enumerate(looks.items()):
        part = style.pick(rows, method=method)
        x = labels[part.index].map(order.index).astype(float)
        x += (place - (len(looks) - 1) / 2) * slot
        is_cut |= intervals.draw(axes, x, part[Y], look, slot)
    room = axes.get_position().width * axes.figure.get_figwidth() / len(order)
    turn = {"rotation": 90, "fontsize": 7} if LETTER * max(map(len, order)) > room else {}
    axes.set_xticks(range(len(order)), order, **turn)
    axes.set_xlim(-0.5, len(order) - 0.5)
    return is_cut


def draw_map(axes: Axes, rows: pd.DataFrame, options: list[str], looks: dict) -> bool:
    """Draw the means of two options as colours, with numbers; the one of more values is x."""
    y, x = sorted(options, key=lambda option: (rows[option].nunique(), is_numeric(rows[option])))
    means = rows.assign(**{name: rows[name].map(text) for name in options})
    means = means.pivot_table(index=y, columns=x, values=Y, aggfunc="mean")
    means = means.reindex(index=ordered(rows[y])[::-1], columns=ordered(rows[x]))
    size = 7 if means.shape[1] <= 6 else 6
    sns.heatmap(
        means, annot=True, fmt=".2f" if means.shape[1] <= 8 else ".1f", annot_kws={"size": size},
        cmap="Blues", cbar=False, linewidths=0.6, ax=axes,
    )  # fmt: skip
    axes.grid(False)
    axes.tick_params(length=0, rotation=0)
    width = axes.get_position().width * axes.figure.get_figwidth() / means.shape[1]
    if max(map(len, means.columns)) * LETTER > width:
        axes.tick_params(axis="x", rotation=90)
    axes.set(xlabel=x, ylabel=y)
    return False


def explanation(ablation: pd.DataFrame, completed: pd.DataFrame, kind: str, is_cut: bool) -> str:
    """What is drawn, n, and how many runs diverged."""
    n = completed.groupby([name for name in tables.RUN if name != "seed"])["seed"].nunique()
    if n.max() == 1:
        parts = [f"{'Numbers' if kind == 'map' else 'Points'}: one seed each (n = 1)."]
    elif kind == "map":
        parts = [f"Numbers: means over seeds (n = {names.count(n)})."]
    else:
        mean = "Line and band: mean with its" if kind == "line" else "Large: mean with its"
        parts = [f"Small points: seeds (n = {names.count(n)}). {mean} 95 % Student t interval."]
    if is_cut:
        cut = "Some bands go on" if kind == "line" else "Arrowhead: the interval goes on"
        parts.append(f"{cut} beyond the axis.")
    diverged = len(ablation) - len(completed)
    if diverged:
        parts.append(f"Not shown: {diverged} of {len(ablation)} runs diverged.")
    return " ".join(parts)


def kind_of(rows: pd.DataFrame, options: list[str]) -> str:
    """How a study is drawn: line, points or map."""
    if len(options) == 1:
        return "line" if is_numeric(rows[options[0]]) else "points"
    return "map" if len(options) == 2 and rows["method"].nunique() == 1 else "points"


def height(rows: pd.DataFrame, options: list[str], kind: str) -> float:
    """Height of a panel in inches, with room for the labels of its axis."""
    if kind == "map":
        return max(0.24 * min(rows[name].nunique() for name in options) + 0.7, 1.5)
    letters = combinations(rows, options).map(len).max() if kind == "points" else 0
    return 1.9 + LETTER * max(letters - 10, 0)


def draw(ablation: pd.DataFrame) -> Figure:
    """One panel a dataset and model."""
    options = [name for name in ablation if name not in tables.columns("ablation")]
    completed = style.pick(ablation, status="completed")
    if completed.empty or not options:
        return style.nothing("No run completed." if options else "No option differs between runs.")
    kind = kind_of(ablation, options)
    looks = style.looks(completed.assign(variant="default"))
    figure, panels = style.dataset_model_panels(completed, height(completed, options, kind))
    is_cut = False
    for axes, rows in panels:
        if kind != "map":
            axes.set_ylim(intervals.limits(rows[Y], [rows[n] for n in ["method", *options]]))
        if kind == "line":
            is_cut |= draw_line(axes, rows, options[0], looks)
        else:
            is_cut |= (draw_map if kind == "map" else draw_points)(axes, rows, options, looks)
    if kind != "map":
        style.name_axes(figure, " / ".join(options), "Test accuracy (%)")
    if len(looks) > 1:
        marks = {"linestyle": "none", "markersize": 6}
        style.legend(figure, [style.handle(*one, **marks) for one in looks.items()])
    style.note(figure, explanation(ablation, completed, kind, is_cut))
    return figure


def describe(ablation: pd.DataFrame) -> str:
    """The best and the worst setting of every cell, and whether their intervals meet."""
    options = [name for name in ablation if name not in tables.columns("ablation")]
    completed = style.pick(ablation, status="completed")

    def parts(rows: pd.DataFrame) -> list[str]:
        groups = dict(list(rows.groupby(combinations(rows, options))[Y]))
        means = {name: values.mean() for name, values in groups.items()}
        best, worst = max(means, key=means.get), min(means, key=means.get)
        found = [f"highest {means[best]:.2f} at {best}", f"lowest {means[worst]:.2f} at {worst}"]
        low, high = ends(groups[best])[0], ends(groups[worst])[1]
        if pd.isna(low) or pd.isna(high):
            return found
        return [*found, f"their intervals {'do not meet' if low > high else 'meet'}"]

    if completed.empty or not options:
        return ""
    about = " / ".join(options).replace("_", " ")
    return sentences.text(
        sentences.sentence(f"{cell}, {about}", parts(rows))
        for cell, rows in sentences.cells(completed)
    )


def main(arguments: list[str] | None = None) -> None:
    """Read the table of a study, write the figure."""
    style.command(draw, describe, ("ablation",), arguments)


if __name__ == "__main__":
    main()
