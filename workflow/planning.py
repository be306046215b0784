"""The runs that a config asks for, each by its name; plain Python, so that it is tested as such."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import product
from pathlib import Path

from svp_core import datasets, provenance
from svp_core.config import AXES, is_same, options, require_file, resolve
from svp_core.config.pairs import ConfigError, format_pairs
from svp_core.data import own
from workflow import studies
from workflow.tasks import base_run, changed

RUN = "{dataset}/{model}/{method}/{variant}/{seed}"
LOG = f"logs/runs/{RUN}.log"
CHECKPOINT = f"checkpoints/{RUN}.pt"
MANIFEST = "results/data/{dataset}.json"
# keys of a run, by the key of a variant in the config
CHANGES = {"model": "model_options", "options": "method_options", "recipe": "recipe"}


class Plan:
    """The runs of the grid, and those of studies, which are resolved when they are asked for."""

    def __init__(self, config: Mapping):
        own.require(config.get("datasets", {}))
        refuse_unknown_names(config)
        self.config = config
        self.grid = grid_runs(config)
        self.studies: dict[str, studies.Study] = {}
        self.hashes: dict[tuple, str] = {}

    def add_study(self, study: studies.Study) -> None:
        """Plan the runs of a question; those that the grid has, too, are the same runs."""
        if study.name in self.studies:
            raise ConfigError(f"{study.name}: two ablations of this name")
        self.studies[study.name] = study
        vars(self).pop("ablations", None)

    def study_runs(self, name: str) -> tuple[list[str], list[str]]:
        """Return the names of a study's runs, and why others were left out."""
        found, left_out = studies.runs(self.config, self.studies[name])
        return [RUN.format(**run) for run in found], left_out

    @cached_property
    def ablations(self) -> dict[str, dict]:
        """The runs of all studies by name."""
        found = (studies.runs(self.config, study)[0] for study in self.studies.values())
        return {RUN.format(**run): run for runs in found for run in runs}

    def claim_studies(self) -> list[str]:
        """Return the studies of claims: the config names them, the grid has their tasks."""
        names = self.config["claims"]["studies"]
        for name in names:
            if name not in self.studies:
                raise ConfigError(f"config claims.studies: {name} is no file of workflow/ablations")
        tasks = {f"{run['dataset']}/{run['model']}" for run in self.grid.values()}
        return [name for name in names if set(self.studies[name].tasks) <= tasks]

    @property
    def needed(self) -> dict[str, dict]:
        """The runs that the default target asks for: the grid, and the studies of claims."""
        found = (studies.runs(self.config, self.studies[name])[0] for name in self.claim_studies())
        return self.grid | {RUN.format(**run): run for runs in found for run in runs}

    def run(self, name: str) -> dict:
        """Return the resolved config of a run."""
        found = self.grid.get(name) or self.ablations.get(name)
        if found is None:
            raise ConfigError(f"{record_path(name)} is not planned by the config")
        return found

    def settings(self, name: str) -> list[str]:
        """Return a run as key=value pairs; they change when it has to be trained again.

        Where options were added since its record, at their defaults, they are those of the record.
        """
        planned, found = self.run(name), read_record(record_path(name))
        origin = found.get("provenance")
        made_by = origin.get("source_hash") if isinstance(origin, Mapping) else None
        # one of other sources is trained again, and then has the options of today
        is_current = made_by == self.sources(name) and agrees(is_same, found.get("config"), planned)
        return format_pairs(found["config"] if is_current else planned)

    def sources(self, name: str) -> str:
        """Return the hash of the code that decides the numbers of a run."""
        run = self.run(name)
        parts = *provenance.built_from(run), *provenance.outside(run)
        key = run["dataset"], *parts, *run["metrics"]
        if key not in self.hashes:
            self.hashes[key] = provenance.source_hash(provenance.run_sources(run))
        return self.hashes[key]

    def datasets(self) -> set[str]:
        """Return the datasets of all runs."""
        tasks = (task for one in self.studies.values() for task in one.tasks)
        return {run["dataset"] for run in self.grid.values()} | {one.split("/")[0] for one in tasks}


def run_name(wildcards) -> str:
    return RUN.format(**wildcards)


def manifests(names: Iterable[str]) -> list[str]:
    """Return the manifests of those of the datasets that are files."""
    return [MANIFEST.format(dataset=name) for name in names if datasets.facts(name).is_fetched]


def record_path(name: str) -> str:
    return f"results/runs/{name}.json"


def read_record(path: str) -> dict:
    """Return a record; {} if there is none, or none that can be read."""
    try:
        found = json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def agrees(check: Callable[..., bool], recorded, planned) -> bool:
    """Whether a check finds what was recorded the same; a record may hold anything."""
    try:
        return type(recorded) is type(planned) and check(recorded, planned)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def forget_copies() -> None:
    """Delete the copies of records that outlive a failed job, so that a forced run trains again.

    Those without a record are kept: their group has failed, or will be run again.
    """
    for copy in Path("checkpoints").rglob("*.record.json"):
        name = copy.relative_to("checkpoints").as_posix().removesuffix(".record.json")
        if Path(record_path(name)).exists():
            copy.unlink()


def write_unfinished(runs: Mapping[str, dict], path: str) -> list[str]:
    """Write the runs without a record, seeds counted, and the paths of the others' records.

    Return the paths of records that cannot be read: their runs count as unfinished.
    """
    paths = {name: record_path(name) for name in runs if Path(record_path(name)).exists()}
    damaged = [name for name, record in paths.items() if not read_record(record)]
    missing = [run for name, run in runs.items() if name not in paths or name in damaged]
    counts = Counter(json.dumps(run | {"seed": 0}) for run in missing)
    cells = [json.loads(cell) | {"count": count} for cell, count in counts.items()]
    records = [record for name, record in paths.items() if name not in damaged]
    Path(path).write_text(json.dumps({"runs": cells, "records": records}))
    return [paths[name] for name in damaged]


def write_jobs(runs: Mapping[str, dict], path: str) -> int:
    """Write the runs without a record for svp_core.batch, a line each; return how many."""
    lines = []
    for name, run in runs.items():
        if not read_record(record_path(name)):
            files = {"checkpoint": CHECKPOINT.format(**run), "log": LOG.format(**run)}
            lines.append(json.dumps({"run": run, "output": record_path(name)} | files))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("".join(f"{line}\n" for line in lines))
    return len(lines)


def grid_runs(config: Mapping) -> dict[str, dict]:
    """Map the name of every run of the grid and its variants to its resolved config."""
    grid, runs = config["grid"], {}
    tasks = grid_tasks(grid)
    defaults = [{"name": "default", "method": method} for method in grid["method"]]
    for setting in [*defaults, *config["variants"]]:
        changes = {key: setting.get(name, {}) for name, key in CHANGES.items()}
        for task in setting.get("tasks", tasks):
            run = changed(base_run(config, task, setting["method"], "the grid"), changes)
            add_seeds(runs, run | {"variant": setting["name"]}, grid["seed"])
    return runs


def audit_sources() -> str:
    """Return the hash of the code that the audit of locality looks at: that of every method."""
    names = (f"methods.{name}" for name in options.names("methods"))
    return provenance.source_hash(provenance.sources("locality", "models.mlp", *names))


def grid_tasks(grid: Mapping) -> list[str]:
    """Return every dataset/model of the grid but those that it leaves out."""
    tasks = [f"{dataset}/{model}" for dataset, model in product(grid["dataset"], grid["model"])]
    left_out = grid.get("leave_out", [])
    for task in left_out:
        if task not in tasks:
            raise ConfigError(f"config grid.leave_out: {task} is no task of the grid")
    return [task for task in tasks if task not in left_out]


def add_seeds(runs: dict[str, dict], run: dict, seeds: Iterable[int]) -> None:
    """Resolve a run once, and add it with every seed."""
    try:
        resolved = resolve(run | {"seed": 0})
    except ConfigError as error:
        where = "{dataset}/{model}/{method}/{variant}".format(**run)
        raise ConfigError(f"config of run {where}: {error}") from None
    for seed in seeds:
        name = RUN.format(**resolved | {"seed": seed})
        if name in runs:
            raise ConfigError(f"config variants: {name} is planned twice; rename its variant")
        runs[name] = resolved | {"seed": seed}


def refuse_unknown_names(config: Mapping) -> None:
    """Stop at a name that does not exist, and at options that no run would have."""
    named = [("method", "baseline", config["baseline"])]
    named += [("metric", "metrics", metric) for metric in config["metrics"]]
    named += [("dataset", "target_accuracy", dataset) for dataset in config["target_accuracy"]]
    for axis in ("dataset", "model", "method"):
        named += [(axis, "grid", name) for name in config["grid"][axis]]
    named += [("method", f"variants.{one['name']}", one["method"]) for one in config["variants"]]
    asked = [("ablations", config["ablations"]["tasks"])]
    asked += [(f"variants.{one['name']}", one.get("tasks", ())) for one in config["variants"]]
    for key, tasks in asked:
        for dataset, model in (task.split("/") for task in tasks):
            named += [("dataset", f"{key}.tasks", dataset), ("model", f"{key}.tasks", model)]
    try:
        for axis, key, name in named:
            require_file(axis, name, f"{key}.")
        for task, given in config["tasks"].items():
            refuse_unknown_options(task, given)
    except ConfigError as error:
        raise ConfigError(f"config {error}") from None


def refuse_unknown_options(task: str, given: Mapping) -> None:
    """Check what a task says of its model, its recipe and its methods."""
    dataset, model = task.split("/")
    require_file("dataset", dataset, f"tasks.{task}.")
    require_file("model", model, f"tasks.{task}.")
    kinds = {"recipe": ("", "recipe"), "model": (AXES["model"], model)}
    for key, values in given.items():
        if key != "own" and key not in kinds:
            require_file("method", key, f"tasks.{task}.")
            options.fill(AXES["method"], key, values, f"tasks.{task}.{key}.")
        elif key in kinds:
            options.fill(*kinds[key], values, f"tasks.{task}.{key}.")
    for method, changes in given.get("own", {}).items():
        require_file("method", method, f"tasks.{task}.own.")
        if not isinstance(changes, Mapping):
            raise ConfigError(f"tasks.{task}.own.{method}: {changes} is not a mapping")
        for key, values in changes.items():
            if key not in kinds:
                raise ConfigError(f"tasks.{task}.own.{method}.{key}: not one of {sorted(kinds)}")
            options.fill(*kinds[key], values, f"tasks.{task}.own.{method}.{key}.")
