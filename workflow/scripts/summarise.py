"""Summarise the runs over seeds, with intervals and differences to bp: summary.csv, summary.md."""

import argparse
from pathlib import Path

import pandas as pd
from scipy import stats

from svp_core import tables

PAIR = ["dataset", "model", "seed"]
LEVEL = 0.95
NOTE = """\
n: completed trainings, one a seed. Square brackets: 95 % Student t interval of the mean over seeds.
The difference to bp is that of test accuracies at the same seed, in percentage points.
"""


def interval(values: pd.Series) -> tuple:
    """Mean and ends of its Student t interval; None where there are too few values."""
    n = len(values)
    mean = values.mean() if n else None
    if n < 2:
        return mean, None, None
    half = stats.t.ppf((1 + LEVEL) / 2, n - 1) * values.sem()
    return mean, mean - half, mean + half


def paired_differences(runs: pd.DataFrame) -> pd.Series:
    """Test accuracy minus that of bp with the same dataset, model and seed; empty without one.

    The bp run is that of the same variant where there is one (a change of sizes or recipe), else
    the default one.
    """
    bp = runs[runs["method"] == "bp"].set_index([*PAIR, "variant"])["test_accuracy"]
    variants = [
        "default" if row.method == "bp" or (*row[:3], row.variant) not in bp.index else row.variant
        for row in runs[[*PAIR, "method", "variant"]].itertuples(index=False)
    ]
    keys = pd.MultiIndex.from_frame(runs.assign(variant=variants)[[*PAIR, "variant"]])
    is_reference = (runs["method"] == "bp") & (runs["variant"] == "default")
    return (runs["test_accuracy"] - bp.reindex(keys).to_numpy()).mask(is_reference)


def summary_row(series: tuple, group: pd.DataFrame) -> dict:
    """The row of one dataset, model, method and variant."""
    mean, low, high = interval(group["test_accuracy"].dropna())
    row = dict(zip(tables.SERIES, series, strict=True)) | {
        "n": int((group["status"] == "completed").sum()),
        "diverged": int((group["status"] == "diverged").sum()),
        "mean": mean,
        "low": low,
        "high": high,
    }
    if series[2:] == ("bp", "default"):
        return row
    differences = group["difference"].dropna()
    mean, low, high = interval(differences)
    return row | {
        "pairs": len(differences),
        "paired_difference": mean,
        "paired_difference_low": low,
        "paired_difference_high": high,
    }


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """The table of summaries."""
    runs = runs.assign(difference=paired_differences(runs))
    rows = [summary_row(series, group) for series, group in runs.groupby(tables.SERIES)]
    return tables.from_rows(rows, "summary", tables.SERIES)


def estimate(row: pd.Series, name: str, low: str, high: str, sign: str = "") -> str:
    """Format "mean [low, high]", without what is not available."""
    if pd.isna(row[name]):
        return "–"
    text = f"{row[name]:{sign}.2f}"
    return text if pd.isna(row[low]) else f"{text} [{row[low]:{sign}.2f}, {row[high]:{sign}.2f}]"


def markdown(summary: pd.DataFrame) -> str:
    """The summary for readers."""
    difference = [name for name in summary if name.startswith("paired_difference")]
    rows = [
        [
            *(str(row[name]) for name in [*tables.SERIES, "n", "diverged"]),
            estimate(row, "mean", "low", "high"),
            estimate(row, *difference, sign="+"),
        ]
        for _, row in summary.iterrows()
    ]
    header = [*tables.SERIES, "n", "diverged", "test accuracy (%)", "difference to bp"]
    return tables.markdown(header, rows) + "\n" + NOTE


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Write the summary of a table of runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="runs.csv")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    summary = summarise(tables.read(options.runs, "runs"))
    tables.write(
        {
            options.output_dir / "summary.csv": tables.csv_bytes(summary),
            options.output_dir / "summary.md": markdown(summary).encode(),
        }
    )


if __name__ == "__main__":
    main()
