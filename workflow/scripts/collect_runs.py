"""Collect the records of runs into runs.csv, runs.parquet, curves.csv and blocks.csv."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd
import yaml

from svp_core import tables

SCHEMA = yaml.safe_load((tables.SCHEMAS / "record.schema.yaml").read_text())


def identity(record: dict) -> dict:
    """The columns that name a run."""
    return {name: record["config"][name] for name in tables.RUN}


def run_row(path: str, record: dict) -> dict:
    """The row of a record in the table of runs."""
    environment, provenance = record["environments"][-1], record["provenance"]
    same = {name: record[name] for name in tables.columns("runs") if name in record}
    return (
        identity(record)
        | same
        | {
            "train_loss": record["curves"][-1]["block_loss"][-1] if record["curves"] else None,
            "device": environment["device"],
            "node": provenance["node"],
            "job": provenance["job"],
            "environments": len(record["environments"]),
            "threads": environment["threads"],
            "python_version": environment["python"],
            "torch_version": environment["torch"],
            "source_hash": provenance["source_hash"],
            "data_hash": provenance["data_hash"],
            "git_commit": provenance["git_commit"],
            "git_dirty": provenance["git_dirty"],
            "record": path,
        }
    )


def curve_rows(record: dict) -> Iterator[dict]:
    """The rows of a record in the table of curves, one an epoch."""
    for entry in record["curves"]:
        yield identity(record) | {
            "status": record["status"],
            "epoch": entry["epoch"],
            "learning_rate": entry["learning_rate"],
            "train_loss": entry["block_loss"][-1],
            "test_accuracy": entry["test_accuracy"],
            "seconds": entry["seconds"],
            "joules": entry["joules"],
        }


def block_rows(record: dict) -> Iterator[dict]:
    """The rows of a record in the table of blocks; none if it diverged."""
    accuracies = record["block_accuracy"] if record["status"] == "completed" else []
    for block, accuracy in enumerate(accuracies, start=1):
        yield identity(record) | {
            "block": block,
            "blocks": len(accuracies),
            "test_accuracy": accuracy,
        }


def refuse_repeated(runs: pd.DataFrame) -> None:
    """Raise if two records are of the same run."""
    for _, group in runs[runs.duplicated(tables.RUN, keep=False)].groupby(tables.RUN):
        name = ", ".join(map(str, group[tables.RUN].iloc[0]))
        raise tables.TableError(f"{' and '.join(group['record'])}: the same run ({name})")


def warnings(runs: pd.DataFrame, records: Iterable[dict]) -> Iterator[str]:
    """What makes rows of the table hard to compare: mixed sources, devices, data or budgets."""
    yield from unequal_budgets(records)
    for dataset, group in runs.groupby("dataset"):
        if group["data_hash"].nunique() > 1:
            yield f"{dataset}: runs on different files (data_hash)"
    for combination, group in runs.groupby(["dataset", "model", "method"]):
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
    """Validate every record, then write the four tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="+", metavar="RECORD", help="JSON record of a run")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    records = {path: tables.read_record(path, SCHEMA) for path in options.records}
    run_rows = (run_row(path, record) for path, record in records.items())
    runs = tables.from_rows(run_rows, "runs", tables.RUN)
    refuse_repeated(runs)
    for warning in dict.fromkeys(warnings(runs, records.values())):
        print(f"warning: {warning}", file=sys.stderr)
    curves = (row for record in records.values() for row in curve_rows(record))
    blocks = (row for record in records.values() for row in block_rows(record))
    tables.write(
        {
            options.output_dir / "runs.csv": tables.csv_bytes(runs),
            options.output_dir / "runs.parquet": tables.parquet_bytes(runs),
            options.output_dir / "curves.csv": tables.csv_bytes(
                tables.from_rows(curves, "curves", [*tables.RUN, "epoch"])
            ),
            options.output_dir / "blocks.csv": tables.csv_bytes(
                tables.from_rows(blocks, "blocks", [*tables.RUN, "block"])
            ),
        }
    )


if __name__ == "__main__":
    main()
