"""What Snakemake and Slurm add to a training: tests/cluster/overhead.py OUTPUT.csv [RUNS ...]

Measured on a real Slurm on this machine, with two jobs at a time, for 1, 8 and 64 runs by default,
each in jobs of their own and in groups as in slurm/profile.yaml. Takes about 20 minutes.
Needs PYTHONPATH=.:tests in the root of the suite.
"""

import csv
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch
from slurm_cluster import CPUS, Cluster
from suite_copy import copy_suite
from workflow_runs import QUICK, SMALL, USER_COMMAND, Workflow

from svp_core.runtime.device import device_name

TARGET = "results/tables/runs.csv"
# imported by every Python of a job; notes start and end of trainings, in seconds since 1970
STOPWATCH = """
import atexit, os, sys, time

def note(start=time.time()):
    with open({notes!r}, "a") as file:
        print(os.environ["SLURM_JOB_ID"], start, time.time(), file=file)

if "svp_core.train" in sys.orig_argv:
    atexit.register(note)
"""


def main(output: str, *counts: str) -> None:
    rows = []
    with tempfile.TemporaryDirectory(prefix="slurm", dir="/tmp") as folder:
        cluster = Cluster(Path(folder, "cluster"))
        cluster.folder.mkdir()
        try:
            cluster.start()
            for count in map(int, counts or (1, 8, 64)):
                for size in sorted({1, min(count, 4)}):
                    rows.append(measure(cluster, Path(folder, f"{count}_{size}"), count, size))
                    print(rows[-1], flush=True)
        finally:
            cluster.stop()
    with open(output, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def measure(cluster: Cluster, folder: Path, count: int, size: int) -> dict:
    """Return a row of the table for `count` runs, `size` in a job."""
    folder.mkdir()
    grid = {"model": ["mlp"], "method": ["bp"], "seed": list(range(count))}
    config = SMALL | {"variants": [], "grid": grid}
    workflow = Workflow(copy_suite(folder), cluster.environment(), config)
    notes = install_stopwatch(workflow)
    command = [*USER_COMMAND, TARGET, *QUICK, "--group-components", f"runs={size}"]
    started = time.time()
    try:
        assert workflow.finish(workflow.start(*command), 1800) == 0, workflow.printed()
    finally:
        workflow.stop()
    ended = time.time()
    times = [job_times(cluster, job) for job in workflow.submitted()]
    trainings = training_times(notes)
    added = [
        (end - start - sum(trainings[job])) / len(trainings[job]) for job, _, start, end in times
    ]
    shutil.rmtree(folder)
    return {
        "runs": count,
        "runs_a_job": size,
        "training_seconds": round(median(sum(trainings.values(), [])), 2),
        "added_seconds": round(median(added), 2),
        "start_seconds": min(start - submitted for _, submitted, start, _ in times),
        "collection_seconds": round(ended - max(end for *_, end in times), 2),
        "whole_seconds_a_run": round((ended - started) / count, 2),
        "device": device_name(torch.device("cpu")),
        "cpus": CPUS,
        "slurm": cluster.call("sinfo", "--version").split()[-1],
        "snakemake": version("snakemake"),
        "torch": version("torch"),
    }


def install_stopwatch(workflow: Workflow) -> Path:
    """Make every training note its times; return the file of the notes."""
    notes = workflow.folder / "times.txt"
    # the suite's folder comes first on the path of a job's modules
    (workflow.folder / "sitecustomize.py").write_text(STOPWATCH.format(notes=str(notes)))
    return notes


def training_times(notes: Path) -> dict[str, list[float]]:
    """Return the seconds of every training process by job."""
    times = defaultdict(list)
    for line in notes.read_text().splitlines():
        job, start, end = line.split()
        times[job].append(float(end) - float(start))
    return times


def job_times(cluster: Cluster, job: str) -> tuple[str, float, float, float]:
    """Return a job and when it was submitted, started and ended, in whole seconds since 1970."""
    found = cluster.job(job)
    keys = ("SubmitTime", "StartTime", "EndTime")
    return job, *(datetime.fromisoformat(found[key]).timestamp() for key in keys)


if __name__ == "__main__":
    main(*sys.argv[1:])
