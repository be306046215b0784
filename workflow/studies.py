"""The runs of an ablation: methods with options that are varied, on some tasks."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import product

from svp_core.config import NAME, SCHEMA, filled, options, places, require_file, resolve
from svp_core.config.pairs import ConfigError
from workflow.tasks import MEASURED, base_run, changed

KINDS = ("model_options.", "recipe.")
SAFE = r"[A-Za-z0-9_.+-]+"  # of paths, wildcards and shells

STUDY = {  # of what a file of workflow/ablations gives
    "properties": {
        "name": NAME | {"pattern": "[A-Za-z0-9_]+"},
        "seed": {"type": "array", "items": SCHEMA["properties"]["seed"], "minItems": 1},
        "tasks": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    }
}


@dataclass(frozen=True)
class Study:
    """A question: lists among the options are varied, single values are fixed.

    A method, or several, each with options of its own besides those that all of them have; so do
    tasks where they are a mapping. What is measured, and when, may be fixed like an option.
    """

    name: str
    method: str | Mapping[str, Mapping]
    tasks: tuple[str, ...] | Mapping[str, Mapping]
    seeds: tuple[int, ...]
    options: Mapping

    @property
    def methods(self) -> Mapping[str, Mapping]:
        """The options of every method alone."""
        return {self.method: {}} if isinstance(self.method, str) else self.method

    def check(self) -> None:
        """Raise ConfigError for a name that is no file's, or tasks or seeds that are none."""
        given = {"name": self.name, "seed": list(self.seeds), "tasks": list(self.tasks)}
        options.checked(given, STUDY, f"ablation {self.name}: ")

    def combinations(self) -> Iterator[tuple[str, str, dict]]:
        """Yield the task, the method and the options of every cell."""
        of_tasks = self.tasks if isinstance(self.tasks, Mapping) else dict.fromkeys(self.tasks, {})
        for (task, given), (method, own) in product(of_tasks.items(), self.methods.items()):
            options = {**self.options, **given, **own}
            axes = [
                values if isinstance(values, list | tuple | range) else [values]
                for values in options.values()
            ]
            for values in product(*axes):
                yield task, method, dict(zip(options, values, strict=True))


def runs(config: Mapping, study: Study) -> tuple[list[dict], list[str]]:
    """Return the resolved runs of a study, and a reason for every cell that is impossible.

    Raises ConfigError for a value that is never possible, or if fewer than two cells are left.
    """
    found, left_out = {}, []
    try:
        for method in study.methods:
            require_file("method", method)
        for task, method, cell in study.combinations():
            run, reason = resolved(base_run(config, task, method, "it"), cell)
            if run:
                found[task, method, run["variant"]] = run
            else:
                left_out.append(f"{task}, {method}: {reason}")
        if len(found) < 2:
            why = "; ".join(left_out) or "it varies nothing"
            raise ConfigError(f"fewer than two settings to compare: {why}")
    except ConfigError as error:
        raise ConfigError(f"ablation {study.name}: {error}") from None
    return [run | {"seed": seed} for run in found.values() for seed in study.seeds], left_out


def resolved(base: dict, cell: Mapping) -> tuple[dict | None, str]:
    """Return the run of one cell, or None and the reason."""
    run = with_cell(base, cell)
    for key, names in unknown(run).items():
        return None, f"{described(cell)}: no {key}.{names[0]}"
    cell = needed(base, cell)  # raises for a value out of range
    try:
        return resolve(run | {"variant": variant_name(run, cell), "seed": 0}), ""
    except ConfigError as error:
        return None, f"{described(cell)}: {error}"


def with_cell(base: dict, cell: Mapping) -> dict:
    """Return a task's run with the options of a cell."""
    changes: dict[str, dict] = {}
    for path, value in cell.items():
        if path in MEASURED:
            continue
        key, name = located(path)
        changes.setdefault(key, {})[name] = value
    measured = {key: cell[key] for key in MEASURED if key in cell}
    return changed(base, changes) | measured


def located(path: str) -> tuple[str, str]:
    """Return the key of a run and the option that a path names."""
    key, _, name = path.partition(".") if path.startswith(KINDS) else ("method_options", ".", path)
    return key, name


def unknown(run: Mapping) -> dict[str, list[str]]:
    """Return options that nothing in a run has, by its keys: those of a part not chosen there."""
    known = {
        key: {one.name for one in fields(options.of(*place, run[key]))}
        for key, place in places(run).items()
    }
    found = {key: sorted(set(run[key]) - names) for key, names in known.items()}
    return {key: names for key, names in found.items() if names}


def needed(base: dict, cell: Mapping) -> dict:
    """Return a cell without what changes nothing, so that equal runs have equal names."""
    everything, kept = whole(with_cell(base, cell)), dict(cell)
    for path in sorted(cell):
        rest = {key: value for key, value in kept.items() if key != path}
        run = with_cell(base, rest)
        if not unknown(run) and whole(run) == everything:
            kept = rest
    return kept


def whole(run: Mapping) -> dict:
    """Return all that a cell may decide of a run, defaults filled in."""
    return filled(run) | {key: run[key] for key in MEASURED}


def variant_name(run: Mapping, cell: Mapping) -> str:
    """Return the name that changes give a run, such as d0-100_readout-shared."""
    parts = []
    for path in sorted(cell):
        key, name = located(path)
        declared = {}
        if path not in MEASURED:
            declared = options.schema(options.of(*places(run)[key], run[key]))["properties"][name]
        is_real = "number" in declared.get("type", "") and not isinstance(cell[path], str)
        text = written(cell[path], is_real)
        if not re.fullmatch(SAFE, text):
            raise ConfigError(f"{path}: {cell[path]!r} cannot be part of a file name")
        parts.append(f"{path}-{text}")
    return "_".join(parts) or "default"


def written(value, is_real: bool = False) -> str:
    """Return a value in the way of a file name: 4 and 4.0 alike where numbers are real."""
    if isinstance(value, list | tuple):
        return "+".join(map(written, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(float(value) if is_real else value)


def described(cell: Mapping) -> str:
    return ", ".join(f"{path}={written(value)}" for path, value in cell.items()) or "the default"


def refuse_base() -> None:
    """Say what to ask for in place of the rule that all ablations are made of."""
    raise ConfigError("ablation: no question of its own; ask for one of workflow/ablations, or all")
