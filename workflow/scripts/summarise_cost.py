"""Summarise cost.csv: slopes.csv, and cost.md for readers."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from workflow.scripts import tables
from workflow.scripts.sweeps import SERIES, SIZES, of_steps, steps, sweep

KINDS = "parameters optimizer gradients buffers activations_at_peak data temporary".split()
QUANTITIES = ["total", "activations", "flops", "step_time"]
LEVEL = 0.95
MIB = 2**20


def slope_rows(cost: pd.DataFrame) -> Iterator[dict]:
    """The rows of the table `slopes`."""
    for axis in SIZES:
        for quantity in QUANTITIES:
            for model, rows in sweep(of_steps(cost, quantity), axis, least=3).items():
                for series, group in rows.sort_values(axis).groupby(SERIES):
                    names = dict(zip(SERIES, series, strict=True))
                    fitted = fit(group[axis].astype(float), group["value"])
                    yield {"model": model, "axis": axis, "quantity": quantity} | names | fitted


def fit(sizes: pd.Series, values: pd.Series) -> dict:
    """Slope of a line through the logarithms with its interval, and growth at the end."""
    line = stats.linregress(np.log(sizes), np.log(values))
    slope, error = (line.slope, line.stderr) if values.nunique() > 1 else (0.0, 0.0)
    half = stats.t.ppf((1 + LEVEL) / 2, len(sizes) - 2) * error
    growth = (values.iloc[-1] - values.iloc[-2]) / (sizes.iloc[-1] - sizes.iloc[-2])
    ends = {"low": slope - half, "high": slope + half}
    return {"slope": slope, "points": len(sizes), "growth": growth} | ends


def wide(cost: pd.DataFrame) -> pd.DataFrame:
    """One row a model, size and series, with its simulated and counted quantities as columns."""
    exact = steps(cost)[lambda rows: rows["source"].isin(["simulated", "counted"])]
    exact = exact[~exact["quantity"].str.startswith("largest_depth")]
    keys = ["model", *SIZES, *SERIES, "d0"]
    return exact.pivot(index=keys, columns="quantity", values="value").reset_index()


def series_name(method: str, variant: str) -> str:
    """How the tables call a method and its variant."""
    return method if variant == "default" else f"{method} {variant}"


def largest(rows: pd.DataFrame) -> pd.DataFrame:
    """The series at the size of a model at which most of them, and the largest, were simulated."""
    d0s = rows.groupby([*SIZES, *SERIES], dropna=False)["d0"].transform("nunique")
    rows = rows[d0s < 2]  # a sweep of d0 is a figure of its own
    counts = rows.groupby(SIZES, dropna=False)["total"].transform("size")
    rows = rows[counts == counts.max()]
    for size in SIZES:
        rows = rows[rows[size].isna() | (rows[size] == rows[size].max())]
    return rows


def reduction(cost: pd.DataFrame) -> str:
    """By model: the peak of every series, its parts, and how much less than bp it is."""
    parts = []
    for _, rows in wide(cost).groupby("model"):
        rows = largest(rows)
        bp = rows[(rows["method"] == "bp") & (rows["variant"] == "default")]
        if bp.empty:
            continue
        bp = bp.iloc[0]
        for _, row in rows.sort_values("total").iterrows():
            parts.append(
                [
                    *(str(row["model"]), f"{row['depth']}", series_name(*row[SERIES])),
                    f"{bp['total'] / row['total']:.2f}",
                    f"{bp['activations'] / row['activations']:.2f}",
                    f"{row['flops'] / bp['flops']:.2f}",
                    f"{row['total'] / MIB:,.0f}",
                    *(f"{row[kind] / MIB:,.0f}" for kind in KINDS),
                ]
            )
    names = [kind.replace("activations_at_peak", "activations") for kind in KINDS]
    header = ["model", "depth", "series", "total, bp/it", "saved, bp/it", "FLOPs, it/bp", "MiB"]
    return tables.markdown([*header, *names], parts)


def flatness(slopes: pd.DataFrame) -> str:
    """By model: what one more block adds to the saved activations, SVP's in percent of BP's."""
    rows = slopes[(slopes["axis"] == "depth") & (slopes["quantity"] == "activations")]
    lines = []
    for model, group in rows.groupby("model"):
        growth = group.set_index(SERIES)["growth"]
        for (method, variant), value in growth.items():
            row = group.set_index(SERIES).loc[(method, variant)]
            share = 100 * value / growth["bp", "default"]
            name = series_name(method, variant)
            slope = f"{row['slope']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
            lines.append([model, name, f"{value / MIB:.3f}", f"{share:.2f} %", slope])
    header = ["model", "series", "MiB a block", "of bp's", "log-log slope"]
    return tables.markdown(header, lines)


def depths(cost: pd.DataFrame) -> str:
    """By model and series: the largest depth within each budget of memory."""
    rows = steps(cost)[lambda rows: rows["quantity"].str.startswith("largest_depth")]
    if rows.empty:
        return "Not simulated here; `snakemake cost` does it.\n"
    rows = rows.assign(budget=rows["quantity"].str.extract(r"_([\d.]+)_gib")[0].astype(float))
    found = rows.pivot(index=["model", *SERIES], columns="budget", values="value")
    lines = [
        [model, series_name(method, variant)]
        + ["–" if pd.isna(value) else f"{value:,.0f}" for value in values]
        for (model, method, variant), values in zip(found.index, found.to_numpy(), strict=True)
    ]
    header = ["model", "series", *(f"{budget:g} GiB" for budget in found.columns)]
    return tables.markdown(header, lines)


def break_even(cost: pd.DataFrame) -> str:
    """By model: the rows d0 at which a step of SVP costs as much as one of BP."""
    lines = []
    for model, rows in steps(cost).groupby("model"):
        for quantity in ("flops", "step_time_ratio"):
            mine = rows[rows["quantity"] == quantity]
            counts = mine.groupby([*SIZES, *SERIES])["d0"].nunique()
            if counts.empty or counts.max() < 3:
                continue
            *sizes, method, variant = counts.idxmax()
            here = mine[(mine[SIZES] == sizes).all(axis=1)]
            bp = here[(here["method"] == "bp") & (here["variant"] == "default")]["value"].iloc[0]
            curve = here[(here["method"] == method) & (here["variant"] == variant)]
            curve = curve.sort_values("d0")
            lines.append([model, f"{sizes[0]}", quantity, crossing(curve, bp)])
    return tables.markdown(["model", "depth", "quantity", "break-even d0"], lines)


def crossing(curve: pd.DataFrame, level: float) -> str:
    """Where a curve over d0 first passes a level, between which two of its values."""
    above = curve["value"].to_numpy() > level
    if above.all() or not above.any():
        return f"{'below' if above.all() else 'above'} all that were tried"
    place = int(np.flatnonzero(above[1:] != above[:-1])[0]) + 1
    return f"between {curve['d0'].iloc[place - 1]} and {curve['d0'].iloc[place]}"


def checks(cost: pd.DataFrame) -> str:
    """Simulated totals beside what the CUDA allocator reported."""
    keys = ["model", *SIZES, *SERIES, "d0"]
    rows = of_steps(cost, "total", "allocated", "reserved")
    found = rows.pivot(index=keys, columns="quantity", values="value").reset_index()
    if "allocated" not in found:
        return "No GPU measured: not available.\n"
    lines = [
        [
            *(row["model"], f"{row['depth']}", f"{row['batch']}", series_name(*row[SERIES])),
            *(f"{row[name] / MIB:,.0f}" for name in ("total", "allocated", "reserved")),
            f"{100 * (row['allocated'] / row['total'] - 1):+.1f} %",
        ]
        for _, row in found.dropna(subset=["allocated", "total"]).iterrows()
    ]
    header = "model depth batch series simulated allocated reserved difference".split()
    return tables.markdown(header, lines)


def to_accuracy(cost: pd.DataFrame) -> str:
    """What reaching an accuracy took."""
    rows = cost.dropna(subset=["dataset"]).copy()
    if rows.empty:
        return "No target accuracy is set for these datasets (config, target_accuracy).\n"
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
    return tables.markdown(["dataset", "%", "model", "series", *columns], lines)


def markdown(cost: pd.DataFrame, slopes: pd.DataFrame) -> str:
    """The summary for readers."""
    sections = {
        "Peak memory of a step, and what it is made of": reduction(cost),
        "Saved activations against depth": flatness(slopes),
        "Largest depth": depths(cost),
        "Break-even": break_even(cost),
        "Simulated and allocated, MiB": checks(cost),
        "To an accuracy": to_accuracy(cost),
    }
    return "\n".join(f"## {title}\n\n{text}" for title, text in sections.items())


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Write the summary of a table of cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cost", type=Path, help="cost.csv")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    cost = tables.read(options.cost, "cost")
    order = ["model", "axis", "quantity", *SERIES]
    slopes = tables.from_rows(slope_rows(cost), "slopes", order)
    tables.write(
        {
            options.output_dir / "slopes.csv": tables.csv_bytes(slopes),
            options.output_dir / "cost.md": markdown(cost, slopes).encode(),
        }
    )


if __name__ == "__main__":
    main()
