"""The cost sweeps that a config asks for, by scope (quick or full), kind and name."""

import shlex
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path

from svp_core import provenance
from svp_core.config.pairs import ConfigError, format_pairs
from svp_core.cost import cells
from svp_core.runtime.files import write_atomically
from workflow.heads import Heads

RECORD = "results/cost/{scope}/{kind}/{name}.json"
HEADS = Heads(
    {
        "type": "object",
        "required": ["source_hash", "cells"],
        "properties": {"cells": {"type": "array", "items": {"type": "object"}}},
    }
)
Key = tuple[str, str, str]
HEADER = [
    "#!/usr/bin/env bash",
    "# Sweeps to measure alone on a machine, one after another; call it in the suite's folder.",
    "set -e",
    'export PYTHONPATH="${PYTHONPATH:-$PWD}"',
    'cd "$(dirname "$0")/.."',
]


class Costs:
    """Sweeps as the config has them; resolved, which takes its time, when they are asked for."""

    def __init__(self, config: Mapping):
        self.config = config
        self.given: dict[Key, dict] = {}
        cost = config["cost"]
        for scope, kind in product(("quick", "full"), ("simulate", "measure")):
            for name, sweeps in cost[scope][kind].items():
                if sweeps:  # a config that is merged over another leaves a model out without them
                    self.given[scope, kind, name] = written(cost, (scope, kind, name), sweeps)
        self.resolved = cache(self.resolve)
        self.line = cache(self.plan)

    def check(self) -> None:
        """Raise ConfigError for the first sweep that is impossible."""
        for key in self.given:
            self.resolved(key)

    def resolve(self, key: Key) -> dict:
        """Return a sweep with every default filled in."""
        if key not in self.given:
            raise ConfigError(f"{record_path(key)} is not planned by the config")
        try:
            return cells.resolve(self.given[key])
        except ConfigError as error:
            raise ConfigError(f"config cost.{'.'.join(key)}: {error}") from None

    def settings(self, key: Key) -> list[str]:
        """Return a sweep as key=value pairs, as it is written."""
        self.resolved(key)
        return format_pairs(self.given[key])

    def cells(self, key: Key) -> str:
        """Return the fingerprint of what is measured; it changes when it has to be measured again.

        Where options were added since the record, at their defaults, it is that of the record.
        """
        recorded = HEADS.read(record_path(key))["cells"] if self.is_current(key) else None
        return cells.fingerprint(recorded or self.line(key)["cells"])

    def sources(self, key: Key) -> str:
        """Return the hash of the code that decides the rows of a sweep, or did of a kept record."""
        is_kept = self.config.get("keep_stale") and self.is_current(key)
        return (HEADS.read(record_path(key)) if is_kept else self.line(key))["source_hash"]

    def path(self, key: Key) -> str:
        """Return the path of the record of a sweep."""
        return record_path(key)

    def is_current(self, key: Key) -> bool:
        """Whether there is a record of a sweep that is not measured again."""
        return Path(record_path(key)).exists() and self.offence(key) is None

    def offence(self, key: Key) -> str | None:
        """Return why a record is not of what is planned; None also where there is none."""
        keep_stale = self.config.get("keep_stale", False)
        return HEADS.offence(record_path(key), self.line(key), keep_stale)

    def plan(self, key: Key) -> dict:
        """Return what is planned of a sweep and its record, as in svp_core.planned."""
        planned_cells = cells.resolved(self.resolved(key))
        place = {"record": record_path(key), "cells": planned_cells}
        return place | {"source_hash": provenance.source_hash(cells.sources(planned_cells, key[1]))}

    def lines(self, scope: str) -> list[dict]:
        """Return what is planned of a scope."""
        return [self.line(key) for key in self.given if key[0] == scope]

    def records(self, scope: str) -> list[str]:
        """Return the paths of the records of a scope."""
        return [record_path(key) for key in self.given if key[0] == scope]


def written(cost: Mapping, key: Key, sweeps: list) -> dict:
    """Return the settings of a sweep, as the config has them."""
    scope, kind, name = key
    if name not in cost["models"]:
        raise ConfigError(f"config cost.{'.'.join(key)}: not in cost.models")
    budgets = cost[scope]["budgets"].get(name, []) if kind == "simulate" else []
    rest = {"baseline": cost["baseline"], "series": cost["series"], "budgets": budgets}
    return cost["models"][name] | {"name": name} | rest | {"sweeps": sweeps}


def write_commands(costs: Costs, scope: str, path: str) -> int:
    """Write a script that measures what has no record of its own, one by one; return how many."""
    steps = costs.config["cost"][scope]["steps"]
    found = [key for key in costs.given if key[:2] == (scope, "measure")]
    missing = [key for key in found if not costs.is_current(key)]
    lines = [command(costs.settings(key), steps, record_path(key), path) for key in missing]
    text = "\n".join([*HEADER, *lines, ""])
    write_atomically(Path(path), lambda file: file.write(text.encode()))
    return len(missing)


def command(settings: list[str], steps: int, record: str, script: str) -> str:
    """Return the command of a measurement, as of rule measure, unless the script has made it."""
    log = record.replace("results", "logs", 1).replace(".json", ".log")
    words = [*settings, "--steps", str(steps), "--threads", "1", "--output", record]
    run = f'"${{PYTHON:-python}}" -m svp_core.cost.measure {shlex.join(words)}'
    head = f"test {record} -nt {script}"
    return f"{head} || {{ echo {log}; mkdir -p {Path(log).parent}; {run} > {log} 2>&1; }}"


def record_path(key: Key) -> str:
    return RECORD.format(**dict(zip(("scope", "kind", "name"), key, strict=True)))
