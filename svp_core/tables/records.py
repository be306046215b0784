"""Records of runs, from which tables are made: all of them, and what a run is named by."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from svp_core import planned
from svp_core.records import RecordError, read_run
from svp_core.tables.contract import RUN

SETTINGS = ("model_options", "method_options", "recipe")


def add_arguments(parser: ArgumentParser, what: str) -> None:
    """Let a command take records, or the list of what is planned, with which they are compared."""
    parser.add_argument("records", nargs="*", metavar="RECORD", help=f"JSON record of {what}")
    parser.add_argument("--planned", type=Path, help="a line of JSON a record, instead of records")
    kept = "take records of other sources or data than planned, too, and name them"
    parser.add_argument("--keep-stale", action="store_true", help=kept)


def asked_for(options: Namespace, read: Callable[[Iterable[str]], dict]) -> dict[str, dict]:
    """The records of a command by path, each of what is planned; raises RecordError."""
    lines = planned.read(options.planned) if options.planned else {}
    records = read([*options.records, *lines])
    if not records:
        raise RecordError("no records")
    for line in planned.refuse_others(records, lines, options.keep_stale):
        print(f"stale: {line}", file=sys.stderr)
    return records


def runs_asked_for(options: Namespace) -> dict[str, dict]:
    """The records of runs of a command by path, of one set of files a dataset."""
    records = asked_for(options, read_runs)
    if not options.keep_stale:
        refuse_mixed_data(records)
    return records


def refuse_mixed_data(records: Mapping[str, Mapping]) -> None:
    """Raise RecordError where the runs of a dataset were trained on different files."""
    seen: dict[str, tuple] = {}
    for path, record in records.items():
        dataset, found = record["config"]["dataset"], record["provenance"]["data_hash"]
        before, known = seen.setdefault(dataset, (path, found))
        if known != found:
            raise RecordError(
                f"{before} and {path}: {dataset} of different files (data_hash {known} and {found};"
                " keep_stale: true in the config takes both)"
            )


def read_runs(paths: Iterable[str]) -> dict[str, dict]:
    """The records of runs by path; two of the same run are refused."""
    records: dict[str, dict] = {}
    seen: dict[tuple, str] = {}
    for path in paths:
        records[path] = read_run(path)
        run = tuple(identity(records[path]).values())
        if run in seen:
            name = ", ".join(map(str, run))
            raise RecordError(f"{seen[run]} and {path}: the same run ({name})")
        seen[run] = path
    return records


def identity(record: Mapping) -> dict:
    """The columns that name a run."""
    return {name: record["config"][name] for name in RUN}


def settings(record: Mapping) -> dict:
    """Every setting of a run by its path, such as method_options.scale."""
    return {
        f"{group}.{name}": value
        for group in SETTINGS
        for name, value in record["config"][group].items()
    }
