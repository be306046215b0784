"""Collect the records of runs into runs.csv, runs.parquet, curves.csv and metrics.csv."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from svp_core import tables
from svp_core.tables.records import add_arguments, identity, runs_asked_for
from svp_core.tables.runs import run_row


def curve_rows(record: dict) -> Iterator[dict]:
    """The rows of a record in the table of curves, one an epoch."""
    for entry in record["curves"]:
        yield identity(record) | {
            "status": record["status"],
            "epoch": entry["epoch"],
            "learning_rate": entry["learning_rate"],
            "train_loss": entry["unit_loss"][-1],
            "test_accuracy": entry["test_accuracy"],
            "seconds": entry["seconds"],
            "joules": entry["joules"],
        }


def metric_rows(record: dict) -> Iterator[dict]:
    """The rows of a record in the table of metrics; none if it diverged."""
    if record["status"] == "diverged":
        return
    for entry in record["curves"]:
        found = {"unit_accuracy": entry["unit_accuracy"]} | entry["metrics"]
        if entry is record["curves"][-1]:
            found |= record["metrics"]
        place = identity(record) | {"epoch": entry["epoch"], "units": len(entry["unit_accuracy"])}
        for metric, values in found.items():
            by_unit = enumerate(values, 1) if isinstance(values, list) else [(None, values)]
            for unit, value in by_unit:
                yield place | {"metric": metric, "unit": unit, "value": value}


def warnings(runs: pd.DataFrame) -> Iterator[str]:
    """What makes rows of the table hard to compare: mixed sources, devices or data."""
    for dataset, group in runs.groupby("dataset"):
        if group["data_hash"].nunique() > 1:
            yield f"{dataset}: runs on different files (data_hash)"
    for combination, group in runs.groupby([*tables.TASK, *tables.SERIES]):
        if group["source_hash"].nunique() > 1:
            hashes = ", ".join(sorted(group["source_hash"].unique()))
            yield f"{', '.join(combination)}: runs of different sources (source_hash {hashes})"
    if runs["device"].nunique() > 1:
        devices = ", ".join(sorted(runs["device"].unique()))
        yield f"runs of different devices ({devices}): do not compare their times or memory"


def unequal_budget(config: dict, seen: dict[tuple, dict]) -> Iterator[str]:
    """That recipe or sizes of a run are not those seen of its dataset, model and variant."""
    cell = tuple(config[axis] for axis in ("dataset", "model", "variant"))
    budget = {key: config[key] for key in ("recipe", "model_options")}
    if seen.setdefault(cell, budget) != budget:
        yield f"{', '.join(cell)}: runs of different recipes or sizes; they are not comparable"


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Validate every record, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "a run")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    rows, curves, metrics = [], tables.Rows("curves"), tables.Rows("metrics")
    said, budgets = [], {}
    for path, record in runs_asked_for(options):
        rows.append(run_row(path, record))
        curves.add(curve_rows(record))
        metrics.add(metric_rows(record))
        said += unequal_budget(record["config"], budgets)
    runs = tables.from_rows(rows, "runs")
    for warning in dict.fromkeys([*said, *warnings(runs)]):
        print(f"warning: {warning}", file=sys.stderr)
    contents = {
        "runs.csv": tables.csv_bytes(runs),
        "runs.parquet": tables.parquet_bytes(runs),
        "curves.csv": tables.csv_bytes(curves.frame()),
        "metrics.csv": tables.csv_bytes(metrics.frame()),
    }
    tables.write({options.output_dir / name: content for name, content in contents.items()})


if __name__ == "__main__":
    main()
