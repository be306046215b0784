"""The runs that a config asks for, each by its name; plain Python, so that it is tested as such."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache, cached_property
from itertools import product
from pathlib import Path

from svp_core import datasets, planned, provenance
from svp_core.config import options, require_file, resolve
from svp_core.config.pairs import ConfigError, format_pairs
from svp_core.data import own
from svp_core.data.files import checksum
from svp_core.data.manifest import manifest_path
from svp_core.records import RUN_SCHEMA
from workflow import checking, studies
from workflow.heads import Heads
from workflow.tasks import base_run, changed

RUN = "{dataset}/{model}/{method}/{variant}/{seed}"
LOG = f"logs/runs/{RUN}.log"
CHECKPOINT = f"checkpoints/{RUN}.pt"
MANIFEST = "results/data/{dataset}.json"
HEADS = Heads(
    {
        "type": "object",
        "required": ["config", "provenance"],
        "properties": {key: RUN_SCHEMA["properties"][key] for key in ("config", "provenance")},
        "$defs": RUN_SCHEMA["$defs"],
    }
)
# keys of a run, by the key of a variant in the config
CHANGES = {"model": "model_options", "options": "method_options", "recipe": "recipe"}


class Plan:
    """The runs of the grid, and those of studies, which are resolved when they are asked for."""

    def __init__(self, config: Mapping, data_dir: Path | None = None):
        own.require(config.get("datasets", {}))
        checking.refuse_unknown_names(config)
        self.config, self.data_dir = config, data_dir
        self.grid = grid_runs(config)
        self.studies: dict[str, studies.Study] = {}
        self.hashes: dict[tuple | Path, str] = {}
        self.resolved = cache(lambda name: studies.runs(config, self.studies[name]))

    def add_study(self, study: studies.Study) -> None:
        """Plan the runs of a question; those that the grid has, too, are the same runs."""
        study.check()
        if study.name in self.studies:
            raise ConfigError(f"{study.name}: two ablations of this name")
        self.studies[study.name] = study
        vars(self).pop("ablations", None)
        vars(self).pop("possible", None)

    def study_runs(self, name: str) -> tuple[list[str], list[str]]:
        """Return the names of a study's runs, and why others were left out."""
        found, left_out = self.resolved(name)
        return [RUN.format(**run) for run in found], left_out

    @cached_property
    def ablations(self) -> dict[str, dict]:
        """The runs of all studies by name; raises ConfigError if one of them is impossible."""
        found = (self.resolved(name)[0] for name in self.studies)
        return named(run for runs in found for run in runs)

    @cached_property
    def possible(self) -> dict[str, dict]:
        """The same without the studies that are impossible, which nobody may have asked for."""
        found = {}
        for name in self.studies:
            with suppress(ConfigError):
                found |= named(self.resolved(name)[0])
        return found

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
        found = (self.resolved(name)[0] for name in self.claim_studies())
        return self.grid | {RUN.format(**run): run for runs in found for run in runs}

    def run(self, name: str) -> dict:
        """Return the resolved config of a run."""
        found = self.grid.get(name) or self.possible.get(name)
        if found is None:
            raise ConfigError(f"{record_path(name)} is not planned by the config")
        return found

    def settings(self, name: str) -> list[str]:
        """Return a run as key=value pairs; they change when it has to be trained again.

        Where options were added since its record, at their defaults, they are those of the record.
        """
        if self.is_current(name):
            return format_pairs(HEADS.read(record_path(name))["config"])
        return format_pairs(self.run(name))

    def sources(self, name: str) -> str:
        """Return the hash of the code that decides the numbers of a run, or did of a kept one."""
        if not (self.config.get("keep_stale") and self.is_current(name)):
            return self.source_hash(name)
        return HEADS.read(record_path(name))["provenance"]["source_hash"]

    def path(self, name: str) -> str:
        """Return the path of the record of a run."""
        return record_path(name)

    def is_current(self, name: str) -> bool:
        """Whether there is a record of a run that is not trained again."""
        return Path(record_path(name)).exists() and self.offence(name) is None

    def offence(self, name: str) -> str | None:
        """Return why the record of a run is not of what is planned; None also without a record."""
        keep_stale = self.config.get("keep_stale", False)
        return HEADS.offence(record_path(name), self.line(name), keep_stale)

    def line(self, name: str) -> dict:
        """Return what is planned of a run and its record, as in svp_core.planned."""
        run = self.run(name)
        line = {"record": record_path(name), "run": run, "source_hash": self.source_hash(name)}
        return line | self.data_hash(run["dataset"])

    def data_hash(self, dataset: str) -> dict:
        """Return the hash of the data that there are, {} where that is unknown."""
        if not datasets.facts(dataset).folder:  # the checksums of the others are in the sources
            return {"data_hash": None}
        manifest = self.data_dir and manifest_path(dataset, self.data_dir)
        if not manifest or not manifest.exists():
            return {}
        if manifest not in self.hashes:
            self.hashes[manifest] = checksum(manifest, "sha256")[:12]
        return {"data_hash": self.hashes[manifest]}

    def source_hash(self, name: str) -> str:
        """Return the hash of the code that decides the numbers of a run."""
        run = self.run(name)
        parts = *provenance.built_from(run), *provenance.outside(run)
        key = run["dataset"], *parts, *run["metrics"]
        if key not in self.hashes:
            self.hashes[key] = provenance.source_hash(provenance.run_sources(run))
        return self.hashes[key]

    def part(self, name: str) -> dict[str, dict]:
        """Return the runs of a part: grid, needed or ablations; raises ConfigError."""
        return getattr(self, name)

    def manifests(self, part: str) -> list[str]:
        """Return the manifests that the runs of a part need."""
        return manifests({run["dataset"] for run in self.part(part).values()})

    def datasets(self) -> set[str]:
        """Return the datasets of all runs."""
        tasks = (task for one in self.studies.values() for task in one.tasks)
        return {run["dataset"] for run in self.grid.values()} | {one.split("/")[0] for one in tasks}


def named(runs: Iterable[Mapping]) -> dict[str, dict]:
    """Return runs by their names."""
    return {RUN.format(**run): run for run in runs}


def run_name(wildcards) -> str:
    return RUN.format(**wildcards)


def manifests(names: Iterable[str]) -> list[str]:
    """Return the manifests of those of the datasets that are files; raises ConfigError."""
    names = list(names)
    for name in names:
        require_file("dataset", name)
    return [MANIFEST.format(dataset=name) for name in names if datasets.facts(name).is_fetched]


def record_path(name: str) -> str:
    return f"results/runs/{name}.json"


def forget_copies() -> None:
    """Delete the copies of records that outlive a failed job, so that a forced run trains again.

    Those without a record are kept: their group has failed, or will be run again.
    """
    for copy in Path("checkpoints").rglob("*.record.json"):
        name = copy.relative_to("checkpoints").as_posix().removesuffix(".record.json")
        if Path(record_path(name)).exists():
            copy.unlink()


def write_unfinished(plan: Plan, runs: Mapping[str, dict], path: str) -> list[str]:
    """Write the runs to train, seeds counted, and the paths of the others' records.

    Return a line a record that is not of what is planned: its run is trained again.
    """
    offences = {name: plan.offence(name) for name in runs}
    missing = [run for name, run in runs.items() if not plan.is_current(name)]
    counts = Counter(json.dumps(run | {"seed": 0}) for run in missing)
    cells = [json.loads(cell) | {"count": count} for cell, count in counts.items()]
    found = [record_path(name) for name in runs if plan.is_current(name)]
    planned.write(path, [{"runs": cells, "records": found}])
    return [f"{record_path(name)}: {why}" for name, why in offences.items() if why]


def write_jobs(plan: Plan, runs: Mapping[str, dict], path: str) -> int:
    """Write the runs to train for svp_core.batch, a line each; return how many."""
    lines = []
    for name, run in runs.items():
        if not plan.is_current(name):
            files = {"checkpoint": CHECKPOINT.format(**run), "log": LOG.format(**run)}
            lines.append({"run": run, "output": record_path(name)} | files)
    planned.write(path, lines)
    return len(lines)


def grid_runs(config: Mapping) -> dict[str, dict]:
    """Map the name of every run of the grid and its variants to its resolved config."""
    grid, runs = config["grid"], {}
    tasks = grid_tasks(config)
    defaults = [{"name": "default", "method": method} for method in grid["method"]]
    for setting in [*defaults, *config["variants"]]:
        changes = {key: setting.get(name, {}) for name, key in CHANGES.items()}
        for task in setting.get("tasks", tasks[setting["method"]]):
            run = changed(base_run(config, task, setting["method"], "the grid"), changes)
            add_seeds(runs, run | {"variant": setting["name"]}, grid["seed"])
    return runs


def shared_settings(config: Mapping) -> list[str]:
    """Return what trainings of all methods share on the first task of ablations, as pairs."""
    run = base_run(config, config["ablations"]["tasks"][0], config["baseline"], "sparse_features")
    shared = ("dataset", "model", "model_options", "recipe")
    return format_pairs({key: run[key] for key in shared})


def audit_sources() -> str:
    """Return the hash of the code that the audit of locality looks at: that of every method."""
    names = (f"methods.{name}" for name in options.names("methods"))
    return provenance.source_hash(provenance.sources("locality", "models.mlp", *names))


def grid_tasks(config: Mapping) -> dict[str, list[str]]:
    """Return, by method, every dataset/model of the grid but those that are left out."""
    grid = config["grid"]
    tasks = [f"{dataset}/{model}" for dataset, model in product(grid["dataset"], grid["model"])]
    methods = [*grid["method"], *(one["method"] for one in config["variants"])]
    left_out = grid.get("leave_out", [])
    known = {*tasks, *(f"{task}/{method}" for task, method in product(tasks, methods))}
    for one in left_out:
        if one not in known:
            raise ConfigError(f"config grid.leave_out: {one} is no task of the grid")
    return {
        method: [one for one in tasks if not {one, f"{one}/{method}"} & set(left_out)]
        for method in methods
    }


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
