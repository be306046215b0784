"""Collect the records of a study into one table, with a column for every option it varies."""

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from svp_core import tables
from svp_core.tables.records import identity, read_runs, settings


def varied(records: Iterable[dict]) -> list[str]:
    """Paths of the settings that all records have and that differ between those of a task.

    An option of a part goes with the part; where only some records have it, the part is the axis.
    """
    by_task: dict[tuple, list[dict]] = {}
    for record in records:
        task = tuple(record["config"][name] for name in tables.TASK)
        by_task.setdefault(task, []).append(settings(record))
    every = [found for group in by_task.values() for found in group]
    shared = [path for path in every[0] if all(path in found for found in every)]
    return [
        path
        for path in shared
        if any(found[path] != group[0][path] for group in by_task.values() for found in group)
    ]


def short_names(paths: list[str]) -> dict[str, str]:
    """What a table calls each setting: its last name, its path where that would name two."""
    names = {path: path.rpartition(".")[2] for path in paths}
    counts = Counter([*names.values(), *tables.columns("ablation")])
    return {path: name if counts[name] == 1 else path for path, name in names.items()}


def rows(records: dict[str, dict]) -> list[dict]:
    """One row a record; raises TableError if nothing varies."""
    names = short_names(varied(records.values()))
    if not names:
        raise tables.TableError(f"{next(iter(records))}, ...: no option differs between the runs")
    return [
        identity(record)
        | {"status": record["status"], "test_accuracy": record["test_accuracy"]}
        | {name: settings(record)[path] for path, name in names.items()}
        for record in records.values()
    ]


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Validate every record, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="+", metavar="RECORD", help="JSON record of a run")
    parser.add_argument("--output", type=Path, required=True, help="table to write (CSV)")
    options = parser.parse_args(arguments)

    table = tables.from_rows(rows(read_runs(options.records)), "ablation")
    tables.write({options.output: tables.csv_bytes(table)})


if __name__ == "__main__":
    main()
