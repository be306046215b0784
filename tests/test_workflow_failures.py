"""What the workflow does where something is missing, damaged or stopped."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from suite_copy import BIN, TINY, change, copy_suite, snakemake

pytestmark = pytest.mark.slow


@pytest.fixture
def suite(tmp_path) -> Path:
    """A copy of the suite that a test may change."""
    return copy_suite(tmp_path)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("figures/memory.py", "figures/memory.py has no docstring, which is the caption of its fi"),
        ("workflow/report/figure.rst", "draw_accuracy: no caption workflow/report/figure.rst"),
    ],
)
def test_a_figure_without_a_caption_is_refused_before_any_job(suite, file, message):
    (suite / file).unlink()
    if file.endswith(".py"):
        (suite / file).write_text("print()\n")
    assert message in snakemake(suite, "-n", ok=False)


def test_a_failing_run_stops_no_other(suite):
    """One run finds its checkpoint damaged; the other is trained, and the error is shown."""
    checkpoint = suite / "checkpoints/digits/mlp/svp/default/0.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("damaged")
    printed = snakemake(suite, config=change(TINY, "grid.seed", [0]), ok=False)
    assert "0.pt is damaged" in printed
    assert (suite / "results/runs/digits/mlp/bp/default/0.json").exists()
    assert not (suite / "results/runs/digits/mlp/svp/default/0.json").exists()


def test_a_signal_to_a_whole_job_is_left_to_the_training(suite):
    """Snakemake waits for it: on Slurm nothing outlives a Snakemake that has ended."""
    run = "digits/mlp/bp/default/0"
    log = suite / f"logs/runs/{run}.log"
    command = [str(BIN / "snakemake"), "--cores", "1", f"results/runs/{run}.json"]
    config = change(TINY, "tasks.digits/mlp.recipe.epochs", 100_000)
    (suite / "long.yaml").write_text(yaml.safe_dump(config))
    temporary = suite / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [*command, "--configfile", "long.yaml"],
        cwd=suite,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        while process.poll() is None and not (log.exists() and "epoch 1/" in log.read_text()):
            time.sleep(0.1)
        assert list(temporary.glob("svp-*/python"))  # of jobs, workflow/warm
        os.killpg(process.pid, signal.SIGTERM)
        printed, _ = process.communicate(timeout=600)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert "exit status 75" in printed and (suite / f"checkpoints/{run}.pt").exists(), printed
    end = time.monotonic() + 300
    while list(temporary.glob("svp-*")):  # its server ends with Snakemake
        assert time.monotonic() < end
        time.sleep(0.1)
