"""The command that users call, on a real cluster where nothing goes wrong."""

import json
import time

import pandas as pd
from slurm_cluster import wait_until
from workflow_runs import QUICK, SMALL, USER_COMMAND


def test_the_command_gives_the_tables_of_a_local_run(cluster, tmp_path, on_cluster, small_run):
    workflow = on_cluster(SMALL)
    assert workflow.run(*USER_COMMAND, *QUICK) == 0, workflow.printed()
    workflow.assert_tables_equal(small_run)

    jobs = [cluster.job(number) for number in workflow.submitted()]
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
    assert {path.suffix for path in tmp_path.glob("checkpoints/**/*.*")} == {".lock"}

    assert workflow.run(*USER_COMMAND, *QUICK) == 0
    assert "Nothing to be done" in workflow.printed()


def test_a_late_controller_without_accounting(cluster, on_cluster, small_run):
    """Submissions wait for it. Then Snakemake asks sacct, as it does if squeue forgets too soon."""
    workflow = on_cluster(SMALL)
    cluster.stop_daemon("slurmctld")
    try:
        status = ["--slurm-status-command", "sacct", "--retries", "0"]
        command = workflow.start(*USER_COMMAND, *QUICK, *status)
        wait_until(lambda: "SLURM run ID" in workflow.printed(), "Snakemake")
        time.sleep(12)  # sinfo and sbatch ask for nine
        assert command.poll() is None and not workflow.submitted()
    finally:
        cluster.start_controller()
    assert workflow.finish(command) == 0, workflow.printed()
    workflow.assert_tables_equal(small_run)
