"""Collect the records of a study into one table, with a column for every option it varies."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from svp_core import tables
from svp_core.tables.records import add_arguments, identity, runs_asked_for, settings


def varied(records: Iterable[dict]) -> list[str]:
    """Paths of the settings of a method that differ between its records of a task.

    An option of a part goes with the part; where only some records have it, the part is the axis.
    """
    methods: dict[str, dict[tuple, list[dict]]] = {}
    for record in records:
        task = tuple(record["config"][name] for name in tables.TASK)
        tasks = methods.setdefault(record["config"]["method"], {})
        tasks.setdefault(task, []).append(settings(record))
    found = (path for tasks in methods.values() for path in varied_by_one(tasks.values()))
    return list(dict.fromkeys(found))


def varied_by_one(groups: Iterable[list[dict]]) -> Iterator[str]:
    """Paths that all settings of a method have and that differ within a group, one a task."""
    groups = list(groups)
    first, *others = (found for group in groups for found in group)
    for path in first:
        if all(path in found for found in others):
            if any(found[path] != group[0][path] for group in groups for found in group):
                yield path


def short_names(paths: list[str], table: str) -> dict[str, str]:
    """What a table calls each setting: its last name, its path where that would name two."""
    names = {path: path.rpartition(".")[2] for path in paths}
    counts = Counter([*names.values(), *tables.columns(table)])
    return {path: name if counts[name] == 1 else path for path, name in names.items()}


def rows(records: dict[str, dict], table: str = "ablation") -> list[dict]:
    """One row a record, with what the table has of it; raises TableError if nothing varies."""
    names = short_names(varied(records.values()), table)
    if not names:
        raise tables.TableError(f"{next(iter(records))}, ...: no option differs between the runs")
    return [
        identity(record)
        | {name: record[name] for name in tables.columns(table) if name in record}
        | {name: settings(record).get(path) for path, name in names.items()}
        for record in records.values()
    ]


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Validate every record, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "a run")
    parser.add_argument("--output", type=Path, required=True, help="table to write (CSV)")
    options = parser.parse_args(arguments)

    table = tables.from_rows(rows(runs_asked_for(options)), "ablation")
    tables.write({options.output: tables.csv_bytes(table)})


if __name__ == "__main__":
    main()
