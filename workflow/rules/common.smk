import json
import os
import shlex
import shutil
import sys
from collections import Counter
from itertools import product
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

sys.path.insert(0, str(workflow.basedir))
from svp_core import datasets
from svp_core.config import options, require_file, resolve
from svp_core.cost import cells
from svp_core.provenance import run_sources, sources
from svp_core.config.pairs import ConfigError, format_pairs

# half a second, which every job would wait for what has been checked already
if workflow.is_main_process:
    validate(config, "../schemas/config.schema.yaml")

# the data folder belongs to a machine: its environment wins over the config; that of the config
# is relative to the suite, so that every working directory shares it
CONFIGURED = os.path.join(workflow.basedir, os.path.expanduser(config["data_dir"]))
DATA_DIR = os.path.abspath(os.environ.get("SVP_DATA_DIR") or CONFIGURED)
# jobs find the packages from any working directory (snakemake --directory), and the data folder
# without a params, so that one that moves trains nothing again
shell.prefix(
    f"export PYTHONPATH={shlex.quote(str(workflow.basedir))};"
    f" export SVP_DATA_DIR={shlex.quote(DATA_DIR)}; "
)

# the programs of Slurm, as the executor needs them
if workflow.is_main_process:
    os.environ.update(PATH=f"{workflow.basedir}/slurm/bin:{os.environ.get('PATH')}")

MANIFEST = "results/data/{dataset}.json"
RUN = "{dataset}/{model}/{method}/{variant}/{seed}"
# what a training asks of this machine; the profile of a cluster asks for its own
GPU = 1 if shutil.which("nvidia-smi") else 0
COST_FIGURES = ["memory", "pareto", "projection", "scaling"]
FIGURES = ["accuracy", "learning_curves", "block_accuracy", "accuracy_flops", *COST_FIGURES]
TABLES = collect(
    "results/tables/{table}",
    table=["runs.csv", "runs.parquet", "summary.csv", "summary.md", "cost.csv", "cost.md"],
)


def suite_files(*names):
    """Files of the suite as seen from the working directory."""
    return [os.path.relpath(os.path.join(workflow.basedir, name)) for name in names]


def refuse_unknown_names():
    """Stop at a dataset, model or method that does not exist: it would be ignored."""
    try:
        for section in ("models", "methods", "recipes"):
            for dataset, by_model in config[section].items():
                require_file("dataset", dataset, f"{section}.")
                for model, values in by_model.items():
                    require_file("model", model, f"{section}.{dataset}.")
                    for method in values if section == "methods" else ():
                        require_file("method", method, f"{section}.{dataset}.{model}.")
        for dataset in config["target_accuracy"]:
            require_file("dataset", dataset, "target_accuracy.")
    except ConfigError as error:
        raise WorkflowError(f"config {error}") from None


def planned_runs():
    """Map the name of every run of the grid and of the ablations to its resolved config."""
    grid = config["grid"]
    cells = [{"method": method, "variant": "default"} for method in grid["method"]]
    runs = {}
    for cell in [*cells, *config["ablations"]]:
        chosen = {axis: cell.get(axis, grid[axis]) for axis in ("dataset", "model")}
        for dataset, model, seed in product(*chosen.values(), grid["seed"]):
            run = resolved_run(cell, dataset, model, seed)
            name = RUN.format(**run)
            if name in runs:
                raise WorkflowError(f"ablations: {name} is planned twice; rename its variant")
            runs[name] = run
    return runs


def resolved_run(cell, dataset, model, seed):
    """Return the config of one run, or stop with the key that makes it impossible."""
    where = f"{dataset}.{model}"
    recipe = config["recipes"].get(dataset, {}).get(model)
    if recipe is None:
        raise WorkflowError(f"recipes.{where}: missing, but the grid asks for it")
    sizes = config["models"].get(dataset, {}).get(model, {})
    method = cell["method"]
    tuned = config["methods"].get(dataset, {}).get(model, {}).get(method, {})
    try:
        options("model", model, sizes, f"models.{where}.")
        options("method", method, tuned, f"methods.{where}.{method}.")
        return resolve(
            {"dataset": dataset, "model": model, "seed": seed}
            | {"method": method, "variant": cell["variant"]}
            | {"model_options": sizes | cell.get("model_options", {})}
            | {"method_options": tuned | cell.get("method_options", {})}
            | {"recipe": recipe | cell.get("recipe", {})}
        )
    except ConfigError as error:
        run = f"{dataset}/{model}/{method}/{cell['variant']}"
        raise WorkflowError(f"config of run {run}: {error}") from None


def run_settings(wildcards):
    """The key=value arguments of one run."""
    name = RUN.format(**wildcards)
    if name not in RUNS:
        raise WorkflowError(f"results/runs/{name}.json is not planned by the config")
    return format_pairs(RUNS[name])


def record_path(name):
    return f"results/runs/{name}.json"


def write_unfinished(wildcards):
    """Return a file of the runs without a record and the records of others: too long to pass on."""
    records = {name: path for name in RUNS if os.path.exists(path := record_path(name))}
    missing = [run for name, run in RUNS.items() if name not in records]
    cells = Counter(json.dumps(run | {"seed": 0}) for run in missing)
    runs = [json.loads(cell) | {"count": count} for cell, count in cells.items()]
    path = Path("logs/plan.json")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"runs": runs, "records": list(records.values())}))
    return str(path)


def run_core(wildcards):
    """The files that decide the numbers of one run; a change of one trains it again."""
    return suite_files(*run_sources(wildcards.dataset, wildcards.model, wildcards.method))


def run_data(wildcards):
    """The manifest of a dataset that is files; none of one that comes with a package."""
    return manifests([wildcards.dataset])


def is_streamed(wildcards):
    """Whether the dataset is read while training; the others live on the device."""
    return bool(datasets.facts(wildcards.dataset).folder)


def run_cpus(wildcards):
    """CPUs: the images of a streamed set are decoded by as many worker processes."""
    return 8 if is_streamed(wildcards) else 1


def run_memory(wildcards, attempt):
    """MB of memory: streamed sets keep a shuffle buffer, and batches of every worker."""
    return attempt * (16000 if is_streamed(wildcards) else 4000)


def run_minutes(wildcards):
    """Minutes that a job may take; one that needs more continues in the next attempt."""
    return 60 * (24 if is_streamed(wildcards) else 2)


def manifests(names):
    """The manifests of those of the datasets that are files."""
    return [MANIFEST.format(dataset=name) for name in names if datasets.facts(name).is_fetched]


def fetch_core(wildcards):
    """The files that say which files a dataset has."""
    return suite_files(*sources(f"datasets.{wildcards.dataset}"))


def cost_core(kind):
    """Input function: the files that decide what the steps of one model cost."""

    def files(wildcards):
        decisive = cells.sources(COSTS[wildcards.scope, kind, wildcards.name], kind)
        return suite_files("svp_core/run.schema.yaml", *decisive)

    return files


def cost_settings(kind):
    """Params function: the key=value arguments of one simulation or measurement."""

    def settings(wildcards):
        return format_pairs(COSTS[wildcards.scope, kind, wildcards.name])

    return settings


def cost_records(scope):
    """The records of one scope: quick, of every run of the suite, or full."""
    planned = [f"{kind}/{name}" for one, kind, name in COSTS if one == scope]
    return collect("results/cost/{scope}/{record}.json", scope=scope, record=planned)


def target_arguments(wildcards):
    """The test accuracies (%) whose price is looked up, by dataset."""
    return [
        f"--target {dataset}={accuracy}"
        for dataset, accuracies in config["target_accuracy"].items()
        for accuracy in accuracies
    ]


def planned_costs():
    """Map scope, kind and name of every cost sweep to its resolved config."""
    cost, planned = config["cost"], {}
    for scope, kind in product(("quick", "full"), ("simulate", "measure")):
        for name, sweeps in cost[scope][kind].items():
            if not sweeps:  # a config that is merged over another leaves a model out so
                continue
            if name not in cost["models"]:
                raise WorkflowError(f"config cost.{scope}.{kind}.{name}: not in cost.models")
            budgets = cost[scope]["budgets"].get(name, []) if kind == "simulate" else []
            given = {"name": name, "series": cost["series"], "budgets": budgets}
            try:
                planned[scope, kind, name] = cells.resolve(
                    cost["models"][name] | given | {"sweeps": sweeps}
                )
            except ConfigError as error:
                raise WorkflowError(f"config cost.{scope}.{kind}.{name}: {error}") from None
    return planned


def forget_records():
    """Delete the copies of records that outlive a failed job, so that a forced run trains again.

    Those without a record are kept: their group has failed, or will be run again.
    """
    for run in RUNS:
        if os.path.exists(record_path(run)):
            Path(f"checkpoints/{run}.record.json").unlink(missing_ok=True)


GLOSSARY = suite_files("workflow/scripts/tables.py", "workflow/schemas/tables.yaml")
refuse_unknown_names()
RUNS = planned_runs()
COSTS = planned_costs()

# figures take seconds; `use rule` does not pass on that the first of them is local
workflow.localrules(*FIGURES)


wildcard_constraints:
    dataset="[a-z0-9_]+",
    model="[a-z0-9_]+",
    method="[a-z0-9_]+",
    variant="[a-z0-9_]+",
    seed="[0-9]+",
    scope="quick|full",
    name="[a-z0-9_]+",
    figure="[a-z0-9_]+",
