"""The cost sweeps that a config asks for, by scope (quick or full), kind and name."""

import shlex
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path

from svp_core import provenance
from svp_core.config.pairs import ConfigError, format_pairs
from svp_core.cost import cells
from workflow.planning import agrees, read_record

RECORD = "results/cost/{scope}/{kind}/{name}.json"
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
        planned, found = cells.resolved(self.resolved(key)), read_record(record_path(key))
        is_current = found.get("source_hash") == self.sources(key)
        is_current &= agrees(cells.is_same, found.get("cells"), planned)
        return cells.fingerprint(found["cells"] if is_current else planned)

    def sources(self, key: Key) -> str:
        """Return the hash of the code that decides the rows of a sweep."""
        return provenance.source_hash(cells.sources(self.resolved(key), key[1]))

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
    """Write a script that measures the sweeps without a record, one by one; return how many."""
    steps = costs.config["cost"][scope]["steps"]
    found = [key for key in costs.given if key[:2] == (scope, "measure")]
    missing = [key for key in found if not read_record(record_path(key))]
    lines = [command(costs.settings(key), steps, record_path(key)) for key in missing]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("\n".join([*HEADER, *lines, ""]))
    return len(missing)


def command(settings: list[str], steps: int, record: str) -> str:
    """Return the command of a measurement, as of rule measure, unless its record is there."""
    log = record.replace("results", "logs", 1).replace(".json", ".log")
    words = [*settings, "--steps", str(steps), "--threads", "1", "--output", record]
    run = f'"${{PYTHON:-python}}" -m svp_core.cost.measure {shlex.join(words)}'
    return f"test -e {record} || {{ echo {log}; mkdir -p {Path(log).parent}; {run} > {log} 2>&1; }}"


def record_path(key: Key) -> str:
    return RECORD.format(**dict(zip(("scope", "kind", "name"), key, strict=True)))
