"""What a config plans, a line of JSON a record, and whether a record is what was planned.

A line has the path of a `record`, its resolved `run` or the `cells` of a sweep, and the hashes that
the record of today's sources, and data where there is a manifest, would have.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from svp_core.config.comparison import difference, with_defaults
from svp_core.records import RecordError
from svp_core.runtime.files import write_atomically

HASHES = ("source_hash", "data_hash")


def write(path: str, lines: Iterable[Mapping]) -> None:
    """Write the lines, all or none; raises OutputError."""
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    write_atomically(Path(path), lambda file: file.write(text.encode()))


def read(path: Path) -> dict[str, dict]:
    """Return the lines by the path of their records; raises RecordError or OSError."""
    try:
        lines = [json.loads(text) for text in path.read_text().splitlines()]
        return {line["record"]: line for line in lines}
    except (ValueError, LookupError, TypeError) as error:
        raise RecordError(f"{path}: not a list of planned records: {error!r}") from None


def other_settings(record: Mapping, planned: Mapping) -> str | None:
    """Return the first key by which a record is not of the planned settings."""
    is_run = "run" in planned
    names = ("config", "run") if is_run else ("cells", "cells")
    found, wanted = record[names[0]], planned[names[1]]
    if written(found) == written(wanted):
        return None
    if is_run:
        return difference(with_defaults(found), wanted, "config")
    cells = [with_defaults(cell, {}) for cell in found]
    found, wanted = (dict(enumerate(one)) for one in (cells, wanted))
    return difference(found, wanted, "cells")


def written(settings: Mapping | list) -> str:
    """Return settings as text, in which 1, 1.0 and true differ; most records are as planned."""
    return json.dumps(settings, sort_keys=True)


def stale(record: Mapping, planned: Mapping) -> str | None:
    """Return the hash by which a record is of other sources or data than those of today."""
    known = record["provenance"] if "run" in planned else record
    for name in HASHES:
        if name in planned and known[name] != planned[name]:
            return f"{name} is {known[name]}, now {planned[name]}"
    return None


def refuse_other(path: str, record: Mapping, planned: Mapping) -> None:
    """Raise RecordError for a record of other settings."""
    if key := other_settings(record, planned):
        raise RecordError(f"{path}: {key}; train it again, or plan what it is")


def refuse_stale(lines: list[str]) -> None:
    """Raise RecordError for stale records, of which there is a line each."""
    if lines:
        more = f", and {len(lines) - 1} more" if lines[1:] else ""
        raise RecordError(f"stale: {lines[0]}{more} (keep_stale: true in the config keeps them)")
