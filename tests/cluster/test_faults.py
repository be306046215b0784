"""Jobs, nodes, disks and Snakemake itself die; the tables are those of an undisturbed local run."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from slurm_cluster import Cluster, kill, wait_until
from workflow_runs import LONG_RUNS, QUICK, SLOW, USER_COMMAND, Workflow, copy_suite

SINGLE = ["--group-components", "runs=1"]


@pytest.fixture
def slow(cluster, tmp_path) -> Iterator[Workflow]:
    workflow = Workflow(copy_suite(tmp_path), cluster.environment(), SLOW)
    yield workflow
    workflow.stop()


def job_of(cluster: Cluster, run: str) -> str:
    """Return the number of the running job that trains a run."""
    for job in cluster.call("squeue", "-h", "-t", "R", "-o", "%A").split():
        if processes(cluster, job, f"checkpoints/{run}.pt"):
            return job
    raise LookupError(f"no job trains {run}")


def processes(cluster: Cluster, job: str, part: str = "") -> list[int]:
    """Return the processes of a job whose command line has this part."""
    lines = cluster.call("scontrol", "listpids", job).splitlines()[1:]
    return [i for i in {int(line.split()[0]) for line in lines} if part in command_line(i)]


def command_line(process: int) -> str:
    """Return the words of a command, nothing for a process that has ended."""
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    return ""


def cancel(cluster: Cluster, job: str) -> None:
    cluster.call("scancel", job)


def kill_all_processes(cluster: Cluster, job: str) -> None:
    for process in processes(cluster, job):
        kill(process)


def reach_the_time_limit(cluster: Cluster, job: str) -> None:
    """Slurm looks twice a minute; until then the training is stopped, so as not to end before."""
    for process in processes(cluster, job, "svp_core.train"):
        os.kill(process, signal.SIGSTOP)
    cluster.call("scontrol", "update", f"JobId={job}", "TimeLimit=0")


def lose_the_node(cluster: Cluster, job: str) -> None:
    """Drain the node, under which jobs go on, then lose it, then have it back."""
    node = cluster.call("sinfo", "-h", "-o", "%N")
    for state in ("drain", "down", "resume"):
        cluster.call("scontrol", "update", f"NodeName={node}", f"State={state}", "Reason=test")


FAULTS = [cancel, kill_all_processes, lose_the_node, reach_the_time_limit]


def test_jobs_that_die_continue_and_lose_nothing(cluster, slow, slow_run):
    """Each of four trainings meets a fault of its own; others diverge meanwhile."""
    command = slow.start(*USER_COMMAND, *QUICK, *SINGLE)
    victims = []
    for fault in FAULTS:
        spared = [run for run in LONG_RUNS if run not in victims]
        run = wait_until(
            lambda spared=spared: next(filter(slow.is_training, spared), None), "a training", 120
        )
        fault(cluster, job_of(cluster, run))
        victims.append(run)
    assert slow.finish(command) == 0, slow.printed()
    for run in victims:
        assert "continuing after epoch" in slow.log(run), run
    slow.assert_tables_equal(slow_run)
