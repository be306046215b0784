"""The command that users call, on a real cluster where nothing goes wrong."""

import json
import re

import pandas as pd
from workflow_runs import QUICK, SMALL, USER_COMMAND, Workflow, copy_suite


def properties(cluster, job: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S*)", cluster.call("scontrol", "show", "job", job, "-o")))


def test_the_command_gives_the_tables_of_a_local_run(cluster, tmp_path, small_run):
    workflow = Workflow(copy_suite(tmp_path), cluster.environment(), SMALL)
    assert workflow.run(*USER_COMMAND, *QUICK) == 0, workflow.printed()
    workflow.assert_tables_equal(small_run)

    jobs = [properties(cluster, job) for job in workflow.submitted()]
    trainings = [job for job in jobs if "train" in job["Comment"]]
    # six runs in allocations of four, one GPU and the time of all runs for each
    assert sorted(job["TimeLimit"] for job in trainings) == ["04:00:00", "08:00:00"]
    assert {job["TresPerJob"] for job in trainings} == {"gres:gpu:1"}
    assert {job["NumCPUs"] for job in trainings} == {"1"}
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert len(jobs) == 3  # with the simulation; all else runs on the login node
    assert all(job["JobName"].startswith("svp_") for job in jobs)

    runs = pd.read_csv(tmp_path / "results/tables/runs.csv", dtype=str)
    assert set(runs["job"]) == {job["JobId"] for job in trainings}
    assert set(runs["node"]) == {cluster.call("sinfo", "-h", "-o", "%N")}
    record = json.loads(workflow.record("digits/mlp/bp/default/0").read_text())
    assert record["environments"][0]["threads"] == 1
    assert not list(tmp_path.glob("checkpoints/**/*.*"))

    assert workflow.run(*USER_COMMAND, *QUICK) == 0
    assert "Nothing to be done" in workflow.printed()


def test_sacct_answers_without_accounting(cluster, tmp_path, small_run):
    """Snakemake asks it, not squeue, if it finds the controller away at the wrong moment."""
    workflow = Workflow(copy_suite(tmp_path), cluster.environment(), SMALL)
    status = ["--slurm-status-command", "sacct"]
    assert workflow.run(*USER_COMMAND, *QUICK, *status) == 0, workflow.printed()
    workflow.assert_tables_equal(small_run)
