"""Collect the records of a study into a table of its units' metrics, epoch by epoch."""

import argparse
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from svp_core import tables
from svp_core.tables.derived import final
from svp_core.tables.records import add_arguments, runs_asked_for
from workflow.scripts.collect_ablation import contents, rows

METRICS = ("effective_rank", "participation_ratio")


def by_epoch(row: dict, record: dict) -> Iterator[dict]:
    """The rows of a record, one a unit and epoch that was measured."""
    curves = record["curves"]
    clock = accumulate(entry["seconds"] for entry in curves)
    for entry, seconds in zip(curves, clock, strict=True):
        found = {name: entry["metrics"].get(f"unit_{name}") for name in METRICS}
        if None in found.values():
            continue
        for place, accuracy in enumerate(entry["unit_accuracy"]):
            yield row | {
                "epoch": entry["epoch"],
                "seconds": seconds,
                "unit": place + 1,
                "units": len(entry["unit_accuracy"]),
                "unit_accuracy": accuracy,
                **{name: values[place] for name, values in found.items()},
            }


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Validate every record, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "a run")
    parser.add_argument("--output", type=Path, required=True, help="table to write (CSV)")
    options = parser.parse_args(arguments)

    records = dict(runs_asked_for(options))
    pairs = zip(rows(records, "collapse"), records.values(), strict=True)
    found = (row for pair in pairs for row in by_epoch(*pair))
    table = tables.from_rows(found, "collapse")
    tables.write(contents(options.output, table, "collapse", final(table)))


if __name__ == "__main__":
    main()
