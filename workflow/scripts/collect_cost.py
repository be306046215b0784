"""Collect what training steps cost, and what reaching an accuracy took, into cost.csv."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from svp_core import tables
from svp_core.tables import records
from svp_core.tables.derived import parse_targets, targets

GROUP = [*tables.TASK, *tables.SERIES]
COLUMNS = [name for name in tables.columns("cost") if name != "dataset"]
# cells that no row may leave empty
NAMED = ("model", "method", "variant", "headline", "quantity", "unit", "source")
# what is added up over the epochs of a training, and its unit and source
SPENT = {"flops": ("flop", "counted"), "seconds": ("s", "measured"), "joules": ("J", "measured")}


def cell_schema(column: str) -> dict:
    """JSON schema of a cell; sizes and values may be missing."""
    kind = tables.json_type("cost", column)
    return {"type": kind if column in NAMED else [kind, "null"]}


SCHEMA = {
    "type": "object",
    "required": ["torch_version", "source_hash", "rows"],
    "properties": {
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


def step_rows(paths: list[str]) -> Iterator[dict]:
    """The rows of all records."""
    for path in paths:
        yield from records.read(path, SCHEMA)["rows"]


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


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Validate every record, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="+", metavar="RECORD", help="JSON record of cost")
    parser.add_argument("--runs", type=Path, required=True, help="runs.csv")
    parser.add_argument("--curves", type=Path, required=True, help="curves.csv")
    parser.add_argument("--target", action="append", default=[], metavar="DATASET=PERCENT")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    runs, curves = tables.read(options.runs, "runs"), tables.read(options.curves, "curves")
    rows = [
        *step_rows(options.records),
        *accuracy_rows(runs, curves, parse_targets(options.target)),
    ]
    cost = tables.from_rows(rows, "cost")
    tables.write({options.output_dir / "cost.csv": tables.csv_bytes(cost)})


if __name__ == "__main__":
    main()
