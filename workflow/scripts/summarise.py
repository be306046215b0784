"""Summarise the runs over seeds, with intervals and differences to a baseline, for readers too."""

import argparse
from pathlib import Path

import pandas as pd

from svp_core import tables
from svp_core.tables.statistics import interval, paired_differences

GROUP = [*tables.TASK, *tables.SERIES]
NOTE = """\
n: completed trainings, one a seed. Square brackets: 95 % Student t interval of the mean over seeds.
The difference to {baseline} is that of test accuracies at the same seed, in percentage points.
"""


def summary_row(series: tuple, group: pd.DataFrame, baseline: str) -> dict:
    """The row of one dataset, model, method and variant."""
    mean, low, high = interval(group["test_accuracy"])
    row = dict(zip(GROUP, series, strict=True)) | {
        "n": int((group["status"] == "completed").sum()),
        "diverged": int((group["status"] == "diverged").sum()),
        "mean": mean,
        "low": low,
        "high": high,
        "baseline": baseline,
    }
    if series[2:] == (baseline, "default"):
        return row
    mean, low, high = interval(group["difference"])
    return row | {
        "pairs": int(group["difference"].notna().sum()),
        "paired_difference": mean,
        "paired_difference_low": low,
        "paired_difference_high": high,
    }


def summarise(runs: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """The table of summaries."""
    runs = runs.assign(difference=paired_differences(runs, baseline))
    groups = runs.groupby(GROUP)
    rows = [summary_row(series, group, baseline) for series, group in groups]
    return tables.from_rows(rows, "summary")


def section(summary: pd.DataFrame, baseline: str) -> tables.Section:
    """The summary for readers."""
    difference = [name for name in summary if name.startswith("paired_difference")]
    rows = [
        [
            *(str(row[name]) for name in [*GROUP, "n", "diverged"]),
            tables.estimate(row, "mean", "low", "high"),
            tables.estimate(row, *difference, sign="+"),
        ]
        for _, row in summary.iterrows()
    ]
    header = [*GROUP, "n", "diverged", "test accuracy (%)", f"difference to {baseline}"]
    return tables.Section("Test accuracy", header, rows, NOTE.format(baseline=baseline))


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Write the summary of a table of runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, help="runs.csv")
    parser.add_argument("--baseline", required=True, metavar="METHOD", help="to compare with")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    summary = summarise(tables.read(options.runs, "runs"), options.baseline)
    stem = options.output_dir / "summary"
    texts = tables.files(stem, [section(summary, options.baseline)])
    tables.write({stem.with_suffix(".csv"): tables.csv_bytes(summary)} | texts)


if __name__ == "__main__":
    main()
