import json
import os
import shlex
import shutil
import sys
from glob import glob

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

sys.path.insert(0, str(workflow.basedir))
sys.path.append(os.getcwd())  # networks of one's own, which jobs find there as well
from svp_core import provenance
from svp_core.config.pairs import ConfigError
from svp_core.data import own
from workflow import costs, failures, libraries, planning, resources, studies

# half a second, which every job would wait for what has been checked already
if workflow.is_main_process:
    validate(config, "../schemas/config.schema.yaml")

# the data folder belongs to a machine: its environment wins over the config; that of the config
# is relative to the suite, so that every working directory shares it
CONFIGURED = os.path.join(workflow.basedir, os.path.expanduser(config["data_dir"]))
JOBS = {
    # not part of a command, so that another place of it trains nothing again
    "PYTHON": "python" if workflow.deployment_settings.deployment_method else sys.executable,
    # jobs find the packages from any working directory (snakemake --directory)
    "PYTHONPATH": workflow.basedir,
    "SVP_DATA_DIR": os.path.abspath(os.environ.get("SVP_DATA_DIR") or CONFIGURED),
}
own.look_in(JOBS["SVP_DATA_DIR"])
shell.prefix("".join(f"export {name}={shlex.quote(str(JOBS[name]))}; " for name in JOBS))

# the programs of Slurm, as the executor needs them
if workflow.is_main_process:
    os.environ.update(PATH=f"{workflow.basedir}/slurm/bin:{os.environ.get('PATH')}")

# what a training asks of this machine; the profile of a cluster asks for its own
GPU = 1 if shutil.which("nvidia-smi") else 0
RUN = planning.RUN


def planned(make, *arguments):
    """Return what a planner makes, or stop with the key of the config that is wrong."""
    try:
        return make(*arguments)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


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


PLAN = planned(planning.Plan, config)
COSTS = planned(costs.Costs, config)
if workflow.is_main_process:
    planned(COSTS.check)


wildcard_constraints:
    dataset="[a-z0-9_]+",
    model="[a-z0-9_]+",
    method="[a-z0-9_]+",
    variant=studies.SAFE,
    seed="[0-9]+",
    scope="quick|full",
    name="[a-z0-9_]+",
