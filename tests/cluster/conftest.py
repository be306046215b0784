"""A cluster for the session, a copy of the suite for every test, and undisturbed local runs."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import slurm_cluster
from suite_copy import copy_suite
from workflow_runs import SLOW, SMALL, Workflow


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the folder where there is no Slurm; all of it takes minutes."""
    reason = slurm_cluster.missing()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def cluster() -> Iterator[slurm_cluster.Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))
    one = slurm_cluster.Cluster(folder)
    try:
        one.start()
        yield one
    finally:
        one.stop()
        shutil.rmtree(folder)


@pytest.fixture
def on_cluster(cluster, tmp_path) -> Iterator[Callable[[dict], Workflow]]:
    """A workflow of a config in the test's folder; what it has left running is ended."""
    workflows = []

    def make(config: dict) -> Workflow:
        workflows.append(Workflow(copy_suite(tmp_path), cluster.environment(), config))
        return workflows[-1]

    yield make
    for workflow in workflows:
        workflow.stop()
    cluster.end_jobs()


def undisturbed(folder: Path, config: dict) -> Workflow:
    """Run a config on this machine alone."""
    workflow = Workflow(copy_suite(folder), os.environ, config)
    try:
        assert workflow.run("snakemake", "--cores", "2") == 0, workflow.printed()
    finally:
        workflow.stop()
    return workflow


@pytest.fixture(scope="session")
def small_run(tmp_path_factory) -> Workflow:
    return undisturbed(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="session")
def slow_run(tmp_path_factory) -> Workflow:
    return undisturbed(tmp_path_factory.mktemp("slow"), SLOW)
