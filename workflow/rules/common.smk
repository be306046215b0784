import json
import os
import pathlib
import shlex
import shutil
import sys
from glob import glob

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod, RerunTrigger

sys.path.insert(0, str(workflow.basedir))
sys.path.append(os.getcwd())  # networks of one's own, which jobs find there as well
from svp_core import provenance
from svp_core.config import options
from svp_core.config.pairs import ConfigError
from svp_core.data import own
from workflow import checking, costs, failures, libraries, planning, resources, studies, warm


def planned(make, *arguments):
    """Return what a planner makes, or stop with the key of the config that is wrong."""
    try:
        return make(*arguments)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


checking.read_words(config)
# half a second, which every job would wait for what has been checked already
if workflow.is_main_process:
    planned(checking.check, config, workflow.configfiles)

HAS_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method

# the data folder belongs to a machine: its environment wins over the config; that of the config
# is relative to the suite, so that every working directory shares it
CONFIGURED = os.path.join(workflow.basedir, os.path.expanduser(config["data_dir"]))
JOBS = {
    # that of Snakemake, whatever is on the path, but in an environment of conda the one there; not
    # part of a command, so that another place of it trains nothing again
    "PYTHON": "python" if HAS_CONDA else sys.executable,
    # jobs find the packages from any working directory (snakemake --directory)
    "PYTHONPATH": workflow.basedir,
    "SVP_DATA_DIR": os.path.abspath(os.environ.get("SVP_DATA_DIR") or CONFIGURED),
}
own.look_in(JOBS["SVP_DATA_DIR"])


def export():
    """Give the shells of jobs what JOBS has."""
    exports = "".join(f"export {name}={shlex.quote(str(JOBS[name]))}; " for name in JOBS)
    # the first part is Snakemake's own, which a prefix replaces: a pipe fails where a part does
    shell.prefix(f"set -euo pipefail; {exports}")


export()


def can_fork():
    """Whether jobs may be forks of one Python: on this machine, in the Python of Snakemake.

    CUDA cannot be had in a fork of a process that has asked for it, as an import may have done.
    """
    is_here = workflow.local_exec and not workflow.deployment_settings.deployment_method
    return is_here and not GPU and sys.platform == "linux"


# the programs of Slurm, as the executor needs them
if workflow.is_main_process:
    os.environ.update(PATH=f"{workflow.basedir}/slurm/bin:{os.environ.get('PATH')}")

# what a training asks of this machine; the profile of a cluster asks for its own
GPU = 1 if shutil.which("nvidia-smi") else 0
RUN = planning.RUN
ANNOUNCED = set()  # records of which it was said that they are made again
# an option of what collects: records of older sources, or of other data, are taken as well
KEEP = "--keep-stale" if config["keep_stale"] else ""


def asked(make, key):
    """Input or params function: what a planner says of the run or sweep of the wildcards."""
    return lambda wildcards: planned(make, key(wildcards))


def sweep_of(kind):
    """Input function's key: the cost sweep of the wildcards."""
    return lambda wildcards: (wildcards.scope, kind, wildcards.name)


def suite_files(*patterns):
    """Files of the suite as seen from the working directory."""
    found = [sorted(glob(os.path.join(workflow.basedir, pattern))) for pattern in patterns]
    if not all(found):
        raise WorkflowError(f"no file of the suite: {patterns[found.index([])]}")
    return [os.path.relpath(path) for paths in found for path in paths]


def command_files(name):
    """The inputs that a script of tables or figures is: itself, and what it imports."""
    return {"script": suite_files(name), "library": suite_files(*libraries.libraries(name))}


def figure_files(folder, figures):
    return collect(f"{folder}/figures/{{figure}}.{{kind}}", figure=figures, kind=["png", "pdf"])


def planned_lines(part):
    """What is planned of the grid, of a study or of a scope of costs, a line a record."""
    kind, _, name = part.partition("_")
    if kind == "cost":
        return COSTS.lines(name)
    if kind == "needed":
        return [PLAN.line(run) for run in planned(lambda: PLAN.needed)]
    runs = PLAN.grid if kind == "grid" else planned(PLAN.study_runs, name)[0]
    return [PLAN.line(run) for run in wanted(runs)]


def wanted(runs):
    """Those of the runs that tables are made of: all, or, where `partial`, what there is."""
    if not config["partial"]:
        return list(runs)
    return [run for run in runs if planned(PLAN.is_current, run)]


def grid_records(wildcards):
    """Input function: the records of the grid that its tables are made of."""
    return [planning.record_path(run) for run in wanted(PLAN.grid)]


def claimed_upon():
    """The studies of claims; where `partial`, those of which there is something."""
    names = planned(PLAN.claim_studies)
    return [name for name in names if wanted(planned(PLAN.study_runs, name)[0])]


def outdated(plans, key):
    """Input function without files: a record that is not of what is planned is made again.

    Snakemake itself knows what its outputs were made of for as long as `.snakemake` lasts, and only
    if it has made them.
    """

    def inputs(wildcards):
        path, offence = plans.path(key(wildcards)), planned(plans.offence, key(wildcards))
        if workflow.is_main_process and offence and path not in ANNOUNCED:
            is_asked = RerunTrigger.PARAMS in workflow.rerun_triggers
            what = "it is made again" if is_asked else "--rerun-triggers keeps it"
            print(f"{path}: {offence}; {what}", file=sys.stderr)
            ANNOUNCED.add(path)
            workflow.dag.forcefiles.update([path] if is_asked else [])
        return []

    return inputs


def require_captions():
    """Stop at an output of the report without its caption, which Snakemake misses in the end only."""
    for one in workflow.rules:
        for file in one.output:
            shown = file.flags.get("report") if hasattr(file, "flags") else None
            path = shown and shown.caption and shown.caption.get_path_or_uri(secret_free=True)
            if path and not os.path.exists(path):
                raise WorkflowError(f"{one.name}: no caption {os.path.relpath(path)}")


# of the table of cost and of claims: test accuracies whose price is told
TARGETS = [
    f"--target {dataset}={accuracy}"
    for dataset, accuracies in config["target_accuracy"].items()
    for accuracy in accuracies
]


def reference_folder():
    """The folder of tables that `compare` holds this run against, as seen from anywhere."""
    if not config.get("reference"):
        raise WorkflowError("config reference: missing; --config reference=FOLDER of tables")
    return os.path.join(workflow.basedir, os.path.expanduser(config["reference"]))


PLAN = planned(planning.Plan, config, pathlib.Path(JOBS["SVP_DATA_DIR"]))
COSTS = planned(costs.Costs, config)
if workflow.is_main_process:
    planned(COSTS.check)


wildcard_constraints:
    dataset="|".join([*options.names("datasets"), *own.names()]),
    model="|".join(options.names("models")),
    method="|".join(options.names("methods")),
    variant=studies.SAFE,
    seed="[0-9]+",
    scope="quick|full",
    name="[a-z0-9_]+",
