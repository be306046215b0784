"""Jobs, nodes, disks and Snakemake itself die; the tables are those of an undisturbed local run."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from slurm_cluster import Cluster, kill, wait_until
from workflow_runs import LONG_RUNS, QUICK, SLOW, SMALL, USER_COMMAND, Workflow, command_line

SINGLE = ["--group-components", "runs=1"]


def job_of(cluster: Cluster, run: str) -> str:
    """Return the number of the running job that trains a run."""
    for job in cluster.call("squeue", "-h", "-t", "R", "-o", "%A").split():
        if processes(cluster, job, f"checkpoints/{run}.pt"):
            return job
    raise LookupError(f"no job trains {run}")


def a_training(cluster: Cluster, workflow: Workflow, runs: list[str]) -> tuple[str, str] | None:
    """Return one of the runs and the job that trains it."""
    for run in filter(workflow.is_training, runs):
        with suppress(LookupError):  # the log of one that died says the same
            return run, job_of(cluster, run)
    return None


def processes(cluster: Cluster, job: str, part: str = "") -> list[int]:
    """Return the processes of a job whose command line has this part."""
    # it fails for a job that has just ended
    lines = cluster.call("scontrol", "listpids", job, check=False).splitlines()[1:]
    return [i for i in {int(line.split()[0]) for line in lines} if part in command_line(i)]


def cancel(cluster: Cluster, job: str) -> None:
    cluster.call("scancel", job)


def preempt(cluster: Cluster) -> None:
    """Have both jobs cancelled by one that needs both CPUs."""
    cluster.call("sbatch", "-p", "urgent", "-c", "2", "--mem=1", "-o", "/dev/null", "--wrap=true")


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


def lose_the_controller(cluster: Cluster) -> None:
    """The node and its jobs go on meanwhile."""
    cluster.stop_daemon("slurmctld")
    time.sleep(45)
    cluster.start_controller()


FAULTS = [cancel, kill_all_processes, lose_the_node, reach_the_time_limit]


def test_jobs_that_die_continue_and_lose_nothing(cluster, on_cluster, slow_run):
    """Four trainings meet a fault each, others diverge, and then the controller is away."""
    slow = on_cluster(SLOW)
    command = slow.start(*USER_COMMAND, *QUICK, *SINGLE)
    victims = []
    for fault in FAULTS:
        spared = [run for run in LONG_RUNS if run not in victims]
        run, job = wait_until(lambda spared=spared: a_training(cluster, slow, spared), "a training")
        fault(cluster, job)
        victims.append(run)
    lose_the_controller(cluster)
    assert slow.finish(command) == 0, slow.printed()
    for run in victims:
        assert "continuing after epoch" in slow.log(run), run
    assert "interrupted by SIGTERM" in slow.printed()  # Slurm left it the time to save
    slow.assert_tables_equal(slow_run)


def orphans(cluster: Cluster) -> str:
    return cluster.call("squeue", "-h", "-t", "PD,R", "-o", "%j")


def second_run_of_a_group(cluster: Cluster, workflow: Workflow) -> tuple[str, str] | None:
    """Return a job that trains, and a run that it has finished before."""
    finished = filter(lambda run: workflow.record(run).exists(), LONG_RUNS)
    jobs = {workflow.origin(run)["job"]: run for run in finished}
    for run in LONG_RUNS:
        _, job = a_training(cluster, workflow, [run]) or (None, None)
        if job in jobs:
            return job, jobs[job]
    return None


def test_a_killed_snakemake_is_resumed_by_one_command(cluster, on_cluster, slow_run):
    """Before that a group is preempted in its second training; the first is not repeated."""
    slow = on_cluster(SLOW)
    command = slow.start(*USER_COMMAND, *QUICK)
    job, finished = wait_until(lambda: second_run_of_a_group(cluster, slow), "a second run")
    written = slow.origin(finished)
    preempt(cluster)
    wait_until(lambda: cluster.job(job)["JobState"] == "PREEMPTED", "its preemption")
    wait_until(lambda: "taking the record" in slow.log(finished), "the group again")
    wait_until(lambda: a_training(cluster, slow, LONG_RUNS), "a training")
    command.kill()
    command.wait()
    assert "svp_" in orphans(cluster)

    assert slow.run("slurm/resume", *QUICK) == 0, slow.printed()
    assert "cancelling Slurm jobs" in slow.printed()
    assert not orphans(cluster)
    assert slow.origin(finished) == written
    slow.assert_tables_equal(slow_run)


def test_jobs_of_a_killed_snakemake_may_be_awaited(on_cluster, small_run):
    small = on_cluster(SMALL)
    command = small.start(*USER_COMMAND, *QUICK)
    wait_until(lambda: len(small.submitted()) == 3, "the trainings and the sweep")
    command.kill()
    command.wait()
    assert small.run("slurm/resume", "--wait", *QUICK) == 0, small.printed()
    assert "waiting for Slurm jobs" in small.printed()
    assert len(small.submitted()) == 3
    small.assert_tables_equal(small_run)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Callable[[str], None]]:
    """A disk for records, and how to change its size."""
    disk = tmp_path / "results/runs"
    disk.mkdir(parents=True)

    def mount(options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)], check=True)

    try:
        mount("size=16k")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a tmpfs cannot be mounted: {error}")
    yield mount
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_named_and_loses_nothing(tmp_path, small_disk, on_cluster, small_run):
    small = on_cluster(SMALL)
    assert small.run(*USER_COMMAND, *QUICK, "--retries", "0") == 1
    assert "No space left on device" in small.printed()
    assert all(json.loads(path.read_text()) for path in tmp_path.glob("results/runs/**/*.json"))
    small_disk("remount,size=1m")
    assert small.run(*USER_COMMAND, *QUICK) == 0, small.printed()
    small.assert_tables_equal(small_run)
