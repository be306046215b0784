"""Collect the records of runs into runs.csv, runs.parquet, curves.csv and metrics.csv."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from svp_core import tables
from svp_core.tables.records import identity, read_runs
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


def warnings(runs: pd.DataFrame, records: Iterable[dict]) -> Iterator[str]:
    """What makes rows of the table hard to compare: mixed sources, devices, data or budgets."""
    yield from unequal_budgets(records)
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


def unequal_budgets(records: Iterable[dict]) -> Iterator[str]:
    """Recipes or sizes that differ between the runs of a dataset, model and variant."""
    seen: dict[tuple, dict] = {}
    for record in records:
        config = record["config"]
        cell = tuple(config[axis] for axis in ("dataset", "model", "variant"))
        budget = {key: config[key] for key in ("recipe", "model_options")}
        if seen.setdefault(cell, budget) != budget:
            yield f"{', '.join(cell)}: runs of different recipes or sizes; they are not comparable"


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Validate every record, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="+", metavar="RECORD", help="JSON record of a run")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    records = read_runs(options.records)
    runs = tables.from_rows((run_row(*item) for item in records.items()), "runs")
    for warning in dict.fromkeys(warnings(runs, records.values())):
        print(f"warning: {warning}", file=sys.stderr)
    contents = {
        "runs.csv": tables.csv_bytes(runs),
        "runs.parquet": tables.parquet_bytes(runs),
    }
    for table, rows_of in (("curves", curve_rows), ("metrics", metric_rows)):
        rows = (row for record in records.values() for row in rows_of(record))
        contents[f"{table}.csv"] = tables.csv_bytes(tables.from_rows(rows, table))
    tables.write({options.output_dir / name: content for name, content in contents.items()})


if __name__ == "__main__":
    main()
