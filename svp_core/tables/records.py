"""Records of runs, from which tables are made: all of them, and what a run is named by."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
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


def asked_for(options: Namespace, read: Callable[[str], dict]) -> Iterator[tuple[str, dict]]:
    """Yield the records of a command, path and content; raises RecordError if one is not planned.

    Of thousands, nothing but what is read last need be in memory.
    """
    lines = planned.read(options.planned) if options.planned else {}
    stale = []
    for path in (paths := [*options.records, *lines]):
        record = read(path)
        if line := lines.get(path):
            planned.refuse_other(path, record, line)
            stale += [f"{path}: {key}"] if (key := planned.stale(record, line)) else []
        yield path, record
    if not paths:
        raise RecordError("no records")
    if not options.keep_stale:
        planned.refuse_stale(stale)
    for line in stale:
        print(f"stale: {line}", file=sys.stderr)


def runs_asked_for(options: Namespace) -> Iterator[tuple[str, dict]]:
    """Yield the records of runs of a command, each run once, of one set of files a dataset."""
    runs = each_once(asked_for(options, read_run))
    return runs if options.keep_stale else of_same_data(runs)


def of_same_data(runs: Iterable[tuple[str, dict]]) -> Iterator[tuple[str, dict]]:
    """Yield the runs; raises RecordError where those of a dataset are of different files."""
    seen: dict[str, tuple] = {}
    for path, record in runs:
        refuse_mixed_data(path, record, seen)
        yield path, record


def refuse_mixed_data(path: str, record: Mapping, seen: dict[str, tuple]) -> None:
    """Raise RecordError where a run of its dataset was seen that was trained on other files."""
    dataset, found = record["config"]["dataset"], record["provenance"]["data_hash"]
    before, known = seen.setdefault(dataset, (path, found))
    if known != found:
        raise RecordError(
            f"{before} and {path}: {dataset} of different files (data_hash {known} and {found};"
            " keep_stale: true in the config takes both)"
        )


def each_once(runs: Iterable[tuple[str, dict]]) -> Iterator[tuple[str, dict]]:
    """Yield the runs; raises RecordError for two records of one run."""
    seen: dict[tuple, str] = {}
    for path, record in runs:
        run = tuple(identity(record).values())
        if run in seen:
            name = ", ".join(map(str, run))
            raise RecordError(f"{seen[run]} and {path}: the same run ({name})")
        seen[run] = path
        yield path, record


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
