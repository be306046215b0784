"""Collect what training steps cost, and what reaching an accuracy took, into cost.csv."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from svp_core import tables
from svp_core.records import read
from svp_core.tables.contract import named
from svp_core.tables.derived import parse_targets, targets
from svp_core.tables.records import add_arguments, asked_for

GROUP = [*tables.TASK, *tables.SERIES]
COLUMNS = [name for name in tables.columns("cost") if name != "dataset"]
# cells that no row may leave empty
NAMED = ("model", "method", "variant", "headline", "quantity", "unit", "source")
HASH = {"type": "string", "pattern": r"^[0-9a-f]{12}\Z"}
# what is added up over the epochs of a training, and its unit and source
SPENT = {"flops": ("flop", "counted"), "seconds": ("s", "measured"), "joules": ("J", "measured")}


def cell_schema(column: str) -> dict:
    """JSON schema of a cell, as the glossary has it; sizes and values may be missing."""
    rules = tables.GLOSSARY["cost"]["columns"][column]
    bounds = {key: rules[key] for key in ("minimum", "maximum") if key in rules}
    words = {"enum": rules["values"]} if "values" in rules else {}
    kind = rules["type"] if column in NAMED else [rules["type"], "null"]
    return {"type": kind, "pattern": r"^[^\x00-\x1f]+\Z"} | bounds | words


SCHEMA = {
    "type": "object",
    "required": ["torch_version", "source_hash", "rows"],
    "properties": {
        "source_hash": HASH,
        "cells": {"type": "array", "items": {"type": "object"}},
        "rows": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": COLUMNS,
                "properties": {name: cell_schema(name) for name in COLUMNS},
            },
        },
    },
}


def step_rows(records: Mapping[str, Mapping]) -> Iterator[dict]:
    """The rows of all records; raises TableError for one that is less than nothing, or repeated."""
    seen = set()
    for path, record in records.items():
        for place, row in enumerate(record["rows"]):
            if row["unit"] != "mJ" and (row["value"] or 0) < 0:  # idle power is subtracted
                raise tables.TableError(f"{path}: rows[{place}].value: {row['value']} is negative")
            key = tuple(row.get(name) for name in tables.GLOSSARY["cost"]["key"])
            if key in seen:
                raise tables.TableError(f"{path}: cost: two rows of {named(key)}")
            seen.add(key)
            yield row


def accuracy_rows(
    runs: pd.DataFrame, curves: pd.DataFrame, accuracies: dict[str, list[float]]
) -> Iterator[dict]:
    """What reaching an accuracy took: the median over seeds, None if one did not or diverged."""
    devices = runs.set_index(tables.RUN)["device"]
    found = targets(runs, curves, accuracies)
    for (*series, target), group in found.groupby([*GROUP, "target"]):
        device = " and ".join(sorted(set(devices.loc[tuple(series)])))
        all_reached = group["epoch"].notna().all()
        for name, (unit, source) in {"epoch": ("epochs", "measured"), **SPENT}.items():
            yield dict(zip(GROUP, series, strict=True)) | {
                "quantity": f"{'epochs' if name == 'epoch' else name}_to_{target:g}_percent",
                "value": group[name].median(skipna=False) if all_reached else None,
                "unit": unit,
                "source": source,
                "device": device,
            }


def refuse_unknown_runs(path: Path, runs: pd.DataFrame, curves: pd.DataFrame) -> None:
    """Raise TableError for the first run of the curves that the table of runs does not have."""
    known = set(runs[tables.RUN].itertuples(index=False, name=None))
    for run in curves[tables.RUN].drop_duplicates().itertuples(index=False, name=None):
        if run not in known:
            raise tables.TableError(f"{path}: {', '.join(map(str, run))} is not in the table runs")


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Validate every record, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "cost")
    parser.add_argument("--runs", type=Path, required=True, help="runs.csv")
    parser.add_argument("--curves", type=Path, required=True, help="curves.csv")
    parser.add_argument("--target", action="append", default=[], metavar="DATASET=PERCENT")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    runs, curves = tables.read(options.runs, "runs"), tables.read(options.curves, "curves")
    refuse_unknown_runs(options.curves, runs, curves)
    rows = [
        *step_rows(dict(asked_for(options, lambda path: read(path, SCHEMA)))),
        *accuracy_rows(runs, curves, parse_targets(options.target)),
    ]
    cost = tables.from_rows(rows, "cost")
    tables.write({options.output_dir / "cost.csv": tables.csv_bytes(cost)})


if __name__ == "__main__":
    main()
