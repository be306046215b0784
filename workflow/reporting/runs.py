"""What became of every planned run, for the report."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from svp_core.records import read
from workflow.failures import last_lines
from workflow.planning import LOG

AXES = ["dataset", "model", "method", "seed"]
NAME = ["dataset", "model", "method", "variant", "seed"]
STATUSES = ["completed", "diverged", "missing"]


def statuses(planned: Mapping[str, Mapping]) -> Iterator[dict]:
    """A row a planned run: completed, diverged, or missing with the end of its log, if any.

    planned: by the path of a record what is planned, as svp_core.planned reads it.
    """
    for path, line in planned.items():
        row = {name: line["run"][name] for name in NAME}
        if Path(path).is_file():
            yield row | of_record(read(path, {"type": "object"}))  # checked for the tables
        else:
            log = LOG.format(**line["run"])
            yield row | {"status": "missing", "log": log, "end": end(log)}


def of_record(record: Mapping) -> dict:
    """What the report says of a run that has a record."""
    place = record["environments"][-1]
    last = record["curves"][-1] if record["curves"] else {}
    return {
        "status": record["status"],
        "test_accuracy": record["test_accuracy"],
        "epochs": record["epochs"],
        "planned_epochs": record["config"]["recipe"]["epochs"],
        "seconds": record["train_seconds"],
        "flops": record["train_flops"],
        "joules": last.get("joules") and sum(one["joules"] for one in record["curves"]),
        "memory": record["tensor_bytes"],
        "device": place["device"],
        "threads": place["threads"],
        "python": place["python"],
        "torch": place["torch"],
        **{name: record["provenance"][name] for name in ("node", "git_commit", "git_dirty")},
        **{name: moment(record["provenance"][name]) for name in ("started_at", "finished_at")},
    }


def moment(text: str) -> str:
    """An ISO time in UTC to the minute."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def end(log: str) -> str:
    """The last lines of a log; empty where it is not there."""
    return "\n".join(last_lines(Path(log), 5))


def totals(rows: list[Mapping]) -> dict:
    """What the runs that have a record took together."""
    made = [row for row in rows if row["status"] != "missing"]
    joules = [row["joules"] for row in made if row["joules"] is not None]
    return {
        "runs": len(rows),
        **{one: sum(row["status"] == one for row in rows) for one in STATUSES},
        "seconds": sum(row["seconds"] for row in made),
        "flops": sum(row["flops"] for row in made),
        "memory": max((row["memory"] for row in made), default=None),
        "joules": sum(joules) if joules else None,
        "started_at": min((row["started_at"] for row in made), default=None),
        "finished_at": max((row["finished_at"] for row in made), default=None),
    }


def distinct(rows: list[Mapping], *names: str) -> list[tuple]:
    """The combinations of these values among runs with a record, each with its number of runs."""
    found: dict[tuple, int] = {}
    for row in rows:
        if row["status"] != "missing":
            key = tuple(row[name] for name in names)
            found[key] = found.get(key, 0) + 1
    return [(*key, count) for key, count in sorted(found.items(), key=str)]
