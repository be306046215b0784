"""Many runs in a few processes: the records of svp_core.train, whatever stops in between."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from suite_copy import TINY, copy_suite, snakemake
from test_interruption import LONG, NOISY
from test_training import ROOT, run, without_times

from svp_core import batch
from svp_core.config.pairs import parse_pairs
from svp_core.runtime.device import device_name


def line(name: str, settings: list[str], **changes) -> dict:
    files = {"output": f"runs/{name}.json", "checkpoint": f"checkpoints/{name}.pt"}
    return {"run": parse_pairs(settings) | changes} | files


def write(folder: Path, *lines: dict | str) -> Path:
    path = folder / "runs.jsonl"
    path.write_text("".join(f"{x if isinstance(x, str) else json.dumps(x)}\n" for x in lines))
    return path


def train(folder: Path, workers: int = 2, *arguments: str) -> int:
    where = ["--directory", str(folder), "--data-dir", str(folder), "--device", "cpu"]
    return batch.main([str(folder / "runs.jsonl"), "--workers", str(workers), *where, *arguments])


def record(folder: Path, name: str) -> dict:
    return without_times(json.loads((folder / f"runs/{name}.json").read_text()))


@pytest.mark.slow
def test_records_are_those_of_single_trainings_and_are_not_made_again(tmp_path, capsys):
    """Three runs by two workers: one of them trains a second run in the same process."""
    settings = {"noisy": NOISY, "other": [*NOISY[:3], "seed=1", *NOISY[4:]], "bp": LONG[:4]}
    settings["bp"] = [*settings["bp"], "recipe.epochs=2"]
    write(tmp_path, *(line(name, given) for name, given in settings.items()))
    assert train(tmp_path) == 0
    printed = capsys.readouterr().out
    assert "3 of 3  digits/mlp/" in printed and " %  " in printed
    assert "epoch 3/3" in (tmp_path / "runs/noisy.log").read_text()
    for name, given in settings.items():
        assert record(tmp_path, name) == without_times(run(tmp_path / "single", given, name))
        (environment,) = record(tmp_path, name)["environments"]
        assert environment["device"] == device_name(torch.device("cpu"))  # of a CPU as it is
    write(tmp_path, line("noisy", NOISY), line("other", NOISY), line("bp", settings["bp"]))
    assert train(tmp_path) == 0
    printed = capsys.readouterr().out
    assert "2 of 3 runs are skipped" in printed and "1 of 1  digits/mlp/svp" in printed
    assert record(tmp_path, "other") == record(tmp_path, "noisy")


def test_a_failing_run_stops_no_other(tmp_path, capsys):
    missing = ["dataset=mnist", *NOISY[1:]]
    write(tmp_path, line("a", missing), line("b", NOISY), line("c", NOISY, seed=1))
    assert train(tmp_path, workers=1) == 1
    printed = capsys.readouterr()
    assert "1 of 3  digits" not in printed.out and "3 of 3  digits" in printed.out
    assert "mnist/mlp/svp/default/0  failed: " in printed.out
    assert printed.err == "failed: mnist/mlp/svp/default/0\n"
    assert "Traceback" in (tmp_path / "runs/a.log").read_text()
    assert (tmp_path / "runs/b.json").exists() and (tmp_path / "runs/c.json").exists()


GOOD = line("a", NOISY)
ENDLESS = [*LONG[:4], "recipe.epochs=2000"]  # to be stopped, however late that is


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "line 2: not JSON: Expecting property name"),
        ({"run": GOOD["run"]}, "line 2: 'output' is a required property"),
        (line("b", NOISY, seed=-1), "line 2: run.seed: -1 is less than"),
        (line("b", [*NOISY, "recipe.lr=0"]), "line 2: run.recipe.lr: 0 is less than"),
        (GOOD | {"checkpoint": ""}, "line 2: checkpoint: ''"),
        (GOOD, "line 2, output of digits/mlp/svp/default/0 and line 1, output of"),
    ],
)
def test_a_bad_list_is_refused_before_any_training(tmp_path, capsys, bad, message):
    path = write(tmp_path, GOOD, bad)
    assert train(tmp_path) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


def once_in_epoch_2(folder: Path, monkeypatch, act) -> None:
    """Act when the first run has come to its second epoch; time stands still until then."""
    log = folder / "runs/a.log"

    def monotonic():
        return act() if log.exists() and "epoch 2/" in log.read_text() else 0.0

    monkeypatch.setattr(batch, "time", SimpleNamespace(monotonic=monotonic))


@pytest.mark.slow
def test_a_time_limit_saves_and_the_same_command_continues(tmp_path, capsys, monkeypatch):
    write(tmp_path, line("a", LONG), line("b", NOISY), line("c", NOISY, seed=1))
    with monkeypatch.context() as patch:
        once_in_epoch_2(tmp_path, patch, lambda: 9 * 60 + 1.0)
        assert train(tmp_path, 1, "--minutes", "9") == 75
    printed = capsys.readouterr().out
    assert "left digits/mlp/bp/default/1  SIGTERM after epoch" in printed
    assert "3 runs are left" in printed
    assert [path.name for path in tmp_path.glob("checkpoints/*.pt")] == ["a.pt"]
    assert train(tmp_path) == 0
    assert "continuing after epoch" in (tmp_path / "runs/a.log").read_text()
    assert record(tmp_path, "a") == without_times(run(tmp_path / "single", LONG))


def test_a_second_ctrl_c_ends_the_workers_at_once(tmp_path, capsys, monkeypatch):
    write(tmp_path, line("a", ENDLESS), line("b", NOISY))

    def twice():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        return 0.0

    once_in_epoch_2(tmp_path, monkeypatch, twice)
    assert train(tmp_path, 1) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert not (tmp_path / "runs/a.json").exists()


def test_a_worker_that_dies_fails_its_run_only(tmp_path, capsys, monkeypatch):
    given = SimpleNamespace(workers=1, minutes=1.0, device=torch.device("cpu"), data_dir=tmp_path)
    write(tmp_path, line("a", ENDLESS), line("b", NOISY))
    many = batch.Batch(batch.read_jobs(tmp_path / "runs.jsonl", tmp_path), given)
    many.deadline = 60.0

    def kill():
        for process, job in many.workers.values():
            if job.output.stem == "a":
                process.kill()
        return 0.0

    once_in_epoch_2(tmp_path, monkeypatch, kill)
    assert many.run() == 1
    printed = capsys.readouterr().out
    assert "failed: its process ended with exit code -9" in printed
    assert "2 of 2  digits/mlp/svp" in printed


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_saves(tmp_path, number):
    """As Ctrl-C in a terminal, or the end of a job."""
    path, log = write(tmp_path, line("a", ENDLESS)), tmp_path / "runs/a.log"
    command = [sys.executable, "-m", "svp_core.batch", str(path), "--directory", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "--device", "cpu"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and not (log.exists() and "epoch 2/" in log.read_text()):
        time.sleep(0.1)
    os.killpg(process.pid, number)
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 75}[number], printed
    assert "Traceback" not in printed, printed
    assert (tmp_path / "checkpoints/a.pt").exists()


@pytest.mark.slow
def test_the_workflow_lists_what_to_train_and_to_measure_and_takes_the_records(tmp_path):
    suite = copy_suite(tmp_path)
    snakemake(suite, "list_runs", "list_measurements", config=TINY)
    assert len((suite / "results/runs.jsonl").read_text().splitlines()) == 4
    command = [sys.executable, "-m", "svp_core.batch", "results/runs.jsonl"]
    subprocess.run(command, cwd=suite, check=True)
    environment = os.environ | {"PYTHON": sys.executable}
    subprocess.run(["bash", "results/measure.sh"], cwd=suite, env=environment, check=True)
    planned = snakemake(suite, "-n", config=TINY)
    assert "rule collect_cost" in planned
    assert "rule train" not in planned and "rule measure" not in planned
    for name in ("runs/digits/mlp/svp/default/0", "cost/quick/measure/mlp"):
        assert (suite / f"logs/{name}.log").exists()
    snakemake(suite, "results/tables/cost.csv", "list_runs", "list_measurements", config=TINY)
    assert (suite / "results/runs.jsonl").read_text() == ""
    assert "svp_core" not in (suite / "results/measure.sh").read_text()
