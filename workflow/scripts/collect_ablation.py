"""Collect the records of a study into one table, with a column for every option it varies.

For readers its means over seeds stand beside it, in Markdown and LaTeX.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from svp_core import tables
from svp_core.tables.records import add_arguments, identity, runs_asked_for, settings
from svp_core.tables.statistics import interval


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


LABELS = {  # of what has a mean, where a table has it
    "test_accuracy": "test accuracy (%)",
    "difference": "difference to baseline",
    "effective_rank": "effective rank",
}
NOTE = """\
n: completed trainings, one a seed. Square brackets: 95 % Student t interval of the mean over seeds.
"""


def section(frame: pd.DataFrame, name: str, title: str) -> tables.Section:
    """The means over seeds of a table of a study, which is called `name` in the glossary."""
    options = list(frame.columns[len(tables.columns(name)) :])
    fixed = [*tables.TASK, "method"]
    groups = frame.groupby([*fixed, *options, "variant"], dropna=False)
    values = [one for one in LABELS if one in frame]
    lines = [
        list(map(shown, names[:-1]))
        + counts(group)
        + [mean(group[one], "+" if one == "difference" else "") for one in values]
        for names, group in groups
    ]
    header = [*fixed, *options, "n", "diverged", *(LABELS[one] for one in values)]
    return tables.Section(title, header, lines, NOTE)


def counts(group: pd.DataFrame) -> list[str]:
    """Completed and diverged runs; a table without a status has completed ones alone."""
    if "status" not in group:
        return [str(len(group)), "–"]
    return [str((group["status"] == state).sum()) for state in ("completed", "diverged")]


def mean(values: pd.Series, sign: str) -> str:
    """A mean with its interval."""
    ends = dict(zip(("mean", "low", "high"), interval(values), strict=True))
    return tables.estimate(ends, *ends, sign=sign)


def shown(value: object) -> str:
    """A value of an option."""
    return "–" if pd.isna(value) else str(value)


def contents(
    output: Path, frame: pd.DataFrame, name: str, means_of: pd.DataFrame | None = None
) -> dict[Path, bytes]:
    """The files of a study: its table, and means for readers, of all rows or of some, one a run."""
    means_of = frame if means_of is None else means_of
    title = output.stem.replace("_", " ")
    texts = tables.files(output.with_suffix(""), [section(means_of, name, title)])
    return {output: tables.csv_bytes(frame)} | texts


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Validate every record, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "a run")
    parser.add_argument("--output", type=Path, required=True, help="table to write (CSV)")
    options = parser.parse_args(arguments)

    table = tables.from_rows(rows(dict(runs_asked_for(options))), "ablation")
    tables.write(contents(options.output, table, "ablation"))


if __name__ == "__main__":
    main()
