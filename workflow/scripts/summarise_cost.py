"""Summarise cost.csv: slopes.csv, and cost.md for readers."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from svp_core import tables
from svp_core.tables import SERIES
from svp_core.tables.sweeps import (
    KINDS,
    SIZES,
    beside_baseline,
    crossings,
    fit,
    kind_label,
    of_baseline,
    of_steps,
    one_baseline,
    relative_flops,
    steps,
    sweep,
    without_d0_sweeps,
)

# what grows with the sizes, and how the text calls it
QUANTITIES = {"total": "total", "activations": "saved", "flops": "FLOPs", "step_time": "time"}
FIT = ["slope", "low", "high", "points"]
APART = 5  # percent between simulated and allocated memory that ask for an explanation
MIB = 2**20
Text = tuple[list[str], list[list[str]], str]  # header and rows of a table, and what is said below


def slope_rows(cost: pd.DataFrame) -> Iterator[dict]:
    """The rows of the table `slopes`."""
    for axis in SIZES:
        for quantity in QUANTITIES:
            rows_of_it = of_steps(cost, quantity)[lambda rows: rows["value"] > 0]  # of logarithms
            for model, rows in sweep(rows_of_it, axis, least=3).items():
                for series, group in rows.sort_values(axis).groupby(SERIES):
                    line = fit(group[axis], group["value"])
                    names = dict(zip(SERIES, series, strict=True)) | {"points": len(group)}
                    place = {"model": model, "axis": axis, "quantity": quantity}
                    yield place | names | line | {"growth": growth(group, axis)}


def growth(rows: pd.DataFrame, axis: str) -> float:
    """What one more unit of the axis takes, between the two largest sizes."""
    before, after = (rows.iloc[place] for place in (-2, -1))
    return (after["value"] - before["value"]) / (after[axis] - before[axis])


def wide(cost: pd.DataFrame) -> pd.DataFrame:
    """One row a model, size and series that was simulated as a whole, its quantities as columns."""
    exact = steps(cost)[lambda rows: rows["source"].isin(["simulated", "counted"])]
    exact = exact[~exact["quantity"].str.startswith("largest_depth")]
    keys = ["model", *SIZES, *SERIES, "d0"]
    found = exact.pivot(index=keys, columns="quantity", values="value").reset_index()
    whole = ["total", "activations", "flops", *KINDS]
    return found.reindex(columns=[*keys, *whole]).dropna(subset=whole)


def series_name(method: str, variant: str) -> str:
    """How the tables call a method and its variant."""
    return method if variant == "default" else f"{method} {variant}"


def largest(rows: pd.DataFrame) -> pd.DataFrame:
    """The series at the size of a model at which most of them, and the largest, were simulated."""
    rows = without_d0_sweeps(rows)
    counts = rows.groupby(SIZES, dropna=False)["total"].transform("size")
    rows = rows[counts == counts.max()]
    for size in SIZES:
        rows = rows[rows[size].isna() | (rows[size] == rows[size].max())]
    return rows


def reduction(cost: pd.DataFrame) -> Text:
    """By model: the peak of every series, its parts, and how much less than the baseline's."""
    baseline, parts = one_baseline(cost), []
    for _, rows in wide(cost).groupby("model"):
        rows = largest(rows)
        others = of_baseline(rows, baseline)
        if others.empty:
            continue
        other = others.iloc[0]
        for _, row in rows.sort_values("total").iterrows():
            parts.append(
                [
                    *(str(row["model"]), f"{row['depth']}", series_name(*row[SERIES])),
                    f"{other['total'] / row['total']:.2f}",
                    f"{other['activations'] / row['activations']:.2f}",
                    f"{row['flops'] / other['flops']:.2f}",
                    f"{row['total'] / MIB:,.0f}",
                    *(f"{row[kind] / MIB:,.0f}" for kind in KINDS),
                ]
            )
    name = baseline or "baseline"
    header = ["model", "depth", "series", f"total, {name}/it", f"saved, {name}/it"]
    names = [f"FLOPs, it/{name}", "MiB", *map(kind_label, KINDS)]
    return [*header, *names], parts, ""


def flatness(slopes: pd.DataFrame, baseline: str) -> Text:
    """By model: what one more block adds to saved activations, in percent of the baseline's too."""
    rows = slopes[(slopes["axis"] == "depth") & (slopes["quantity"] == "activations")]
    ofs = of_baseline(rows, baseline).set_index("model")["growth"]
    lines = [
        [row["model"], series_name(*row[SERIES]), f"{row['growth'] / MIB:.3f}"]
        + [f"{100 * row['growth'] / ofs[row['model']]:.2f} %" if row["model"] in ofs else "–"]
        for _, row in rows.iterrows()
    ]
    header = ["model", "series", "MiB a block, between the two largest depths"]
    return [*header, f"of {baseline or 'baseline'}'s"], lines, ""


def exponents(slopes: pd.DataFrame) -> Text:
    """By model and size: the slopes of the methods, each with its interval and its points."""
    rows = slopes[slopes["variant"] == "default"]
    text = [f"{s:.2f} [{low:.2f}, {high:.2f}] ({n})" for s, low, high, n in rows[FIT].to_numpy()]
    table = rows.assign(text=text).pivot(
        index=["axis", "model", "method"], columns="quantity", values="text"
    )
    table = table.reindex(columns=list(QUANTITIES), fill_value="–").fillna("–").reset_index()
    header = ["axis", "model", "series", *QUANTITIES.values()]
    note = "In square brackets the 95 % interval, in round ones the number of sizes.\n"
    return header, table.astype(str).to_numpy().tolist(), note


def depths(cost: pd.DataFrame) -> Text:
    """By model and series: the largest depth within each budget of memory."""
    rows = steps(cost)[lambda rows: rows["quantity"].str.startswith("largest_depth")]
    if rows.empty:
        return [], [], "Not simulated here; `snakemake cost` does it.\n"
    rows = rows.assign(budget=rows["quantity"].str.extract(r"_([\d.]+)_gib")[0].astype(float))
    found = rows.pivot(index=["model", *SERIES], columns="budget", values="value")
    lines = [
        [model, series_name(method, variant)]
        + ["–" if pd.isna(value) else f"{value:,.0f}" for value in values]
        for (model, method, variant), values in zip(found.index, found.to_numpy(), strict=True)
    ]
    header = ["model", "series", *(f"{budget:g} GiB" for budget in found.columns)]
    note = "Multiples of the stages of a model; checkpoint_segments: squares times these.\n"
    return header, lines, note


def break_even(cost: pd.DataFrame) -> Text:
    """By model: the rows d0 at which a step costs as much as one of the baseline."""
    lines = []
    for rows in (relative_flops(cost), beside_baseline(cost, "step_time_ratio")):
        for model, swept in sweep(rows, "d0", least=3).items():
            for series, curve in swept.sort_values("d0").groupby(SERIES):
                depth, quantity = curve[["depth", "quantity"]].iloc[0]
                lines.append([model, f"{depth}", series_name(*series), quantity, passage(curve)])
    return ["model", "depth", "series", "quantity", "break-even d0"], lines, ""


def passage(curve: pd.DataFrame) -> str:
    """Between which two values of d0 a curve first passes 1."""
    places, d0 = crossings(curve["value"]), curve["d0"]
    if places:
        return f"between {d0.iloc[places[0]]} and {d0.iloc[places[0] + 1]}"
    side = "below" if curve["value"].iloc[0] >= 1 else "above"
    return f"{side} all that were tried, {d0.min()} to {d0.max()}"


def checks(cost: pd.DataFrame) -> Text:
    """Simulated totals beside what the CUDA allocator reported."""
    keys = ["model", *SIZES, *SERIES, "d0"]
    rows = of_steps(cost, "total", "allocated", "reserved")
    found = rows.pivot(index=keys, columns="quantity", values="value").reset_index()
    if "allocated" not in found:
        return [], [], "No GPU measured: not available.\n"
    lines = [
        [
            *(row["model"], f"{row['depth']}", f"{row['batch']}", series_name(*row[SERIES])),
            *(f"{row[name] / MIB:,.0f}" for name in ("total", "allocated", "reserved")),
            apart(row["allocated"] / row["total"]),
        ]
        for _, row in found.dropna(subset=["allocated", "total"]).iterrows()
    ]
    header = "model depth batch series simulated allocated reserved difference".split()
    return header, lines, f"Bold: more than {APART} % apart.\n"


def apart(ratio: float) -> str:
    """A difference in percent, in bold if it asks for an explanation."""
    percent = 100 * (ratio - 1)
    return f"**{percent:+.1f} %**" if abs(percent) > APART else f"{percent:+.1f} %"


def to_accuracy(cost: pd.DataFrame) -> Text:
    """What reaching an accuracy took."""
    rows = cost.dropna(subset=["dataset"]).copy()
    if rows.empty:
        return [], [], "No target accuracy is set for these datasets (config, target_accuracy).\n"
    parts = rows["quantity"].str.extract(r"^(\w+)_to_(.+)_percent$")
    rows = rows.assign(quantity=parts[0], target=parts[1].astype(float))
    keys = ["dataset", "target", "model", *SERIES]
    found = rows.pivot(index=keys, columns="quantity", values="value").reset_index()
    columns = {"epochs": "{:.0f}", "flops": "{:.2e}", "seconds": "{:.1f}", "joules": "{:.0f}"}
    lines = [
        [row["dataset"], f"{row['target']:g}", row["model"], series_name(*row[SERIES])]
        + ["–" if pd.isna(row[name]) else form.format(row[name]) for name, form in columns.items()]
        for _, row in found.iterrows()
    ]
    note = "Medians over seeds. Trainings may have shared a machine: seconds are no benchmark.\n"
    return ["dataset", "%", "model", "series", *columns], lines, note


def sections(cost: pd.DataFrame, slopes: pd.DataFrame) -> list[tables.Section]:
    """The summary for readers."""
    texts = {
        "Peak memory of a step, and what it is made of": reduction(cost),
        "Saved activations against depth": flatness(slopes, one_baseline(cost)),
        "Slopes of log cost against log size": exponents(slopes),
        "Largest depth": depths(cost),
        "Break-even": break_even(cost),
        "Simulated and allocated, MiB": checks(cost),
        "To an accuracy": to_accuracy(cost),
    }
    return [tables.Section(title, *text) for title, text in texts.items()]


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Write the summary of a table of cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cost", type=Path, help="cost.csv")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    cost = tables.read(options.cost, "cost")
    slopes = tables.from_rows(slope_rows(cost), "slopes")
    texts = tables.files(options.output_dir / "cost", sections(cost, slopes))
    tables.write({options.output_dir / "slopes.csv": tables.csv_bytes(slopes)} | texts)


if __name__ == "__main__":
    main()
