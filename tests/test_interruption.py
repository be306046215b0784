"""Signals, checkpoints in the middle of an epoch, and two processes that train one run."""

import errno
import json
import os
import signal
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest
import small_sets
from test_training import CUDA, ROOT, Killed, once_then, run, without_times

from svp_core import fetch
from svp_core.methods.svp import SVP
from svp_core.runtime import interruption, lock
from svp_core.runtime.files import OutputError
from svp_core.train import main
from svp_core.training import run as training
from svp_core.training.checkpoint import Saving

STEPS = 12  # an epoch of 1,257 digits in batches of 100
NOISY = ["dataset=digits", "model=mlp", "method=svp", "seed=0", "recipe.batch_size=100"]
NOISY += ["model_options.width=16", "method_options.dropout=0.2", "method_options.noise=0.1"]
NOISY += ["recipe.augmentation=[crop, flip]", "recipe.epochs=3"]
LONG = ["dataset=digits", "model=mlp", "method=bp", "seed=1", "recipe.epochs=120"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> dict:
    return without_times(run(tmp_path_factory.mktemp("undisturbed"), NOISY))


def signal_at(
    patch: pytest.MonkeyPatch, step: int, number: int = signal.SIGTERM, kind: type = SVP
) -> None:
    """Send this process a signal during a step, counted over all epochs from 1."""
    steps, original = [], kind.step

    def counted(method, *batch):
        original(method, *batch)
        if method.training and len(steps) < 1000:
            steps.append(1)
        if len(steps) == step + WARM_UP:
            os.kill(os.getpid(), number)

    patch.setattr(kind, "step", counted)


WARM_UP = 3  # the steps that count FLOPs and measure memory


def command(folder: Path, settings: list[str]) -> list[str]:
    files = ["--output", str(folder / "run.json"), "--checkpoint", str(folder / "run.pt")]
    return [*settings, *files, "--threads", "1"]


def interrupt(
    folder: Path,
    settings: list[str],
    step: int,
    number: int = signal.SIGTERM,
    kind: type = SVP,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        signal_at(patch, step, number, kind)
        code = 130 if number == signal.SIGINT else 75
        assert main(command(folder, settings)) == code
    assert sorted(path.name for path in folder.iterdir()) == ["run.lock", "run.pt"]


@pytest.mark.parametrize("step", [1, 7, STEPS, STEPS + 1, 3 * STEPS])
def test_a_run_left_in_mid_epoch_ends_with_the_same_record(tmp_path, undisturbed, step, capsys):
    interrupt(tmp_path, NOISY, step)
    epoch, within = divmod(step - 1, STEPS)
    place = f"interrupted by SIGTERM after epoch {epoch} and step {within + 1} of the next"
    assert place in capsys.readouterr().err
    assert without_times(run(tmp_path, NOISY)) == undisturbed


@CUDA
@pytest.mark.gpu
def test_a_run_on_a_gpu_left_in_mid_epoch_ends_with_the_same_record(tmp_path):
    settings = [*NOISY, "--device", "cuda"]
    whole = run(tmp_path / "whole", settings)
    interrupt(tmp_path / "left", settings, 7)
    assert without_times(run(tmp_path / "left", settings)) == without_times(whole)


def test_ctrl_c_saves_the_epoch_begun_and_says_so_in_a_line(tmp_path, undisturbed, capsys):
    interrupt(tmp_path, NOISY, STEPS + 5, signal.SIGINT)
    error = capsys.readouterr().err
    assert error == (
        "interrupted by SIGINT after epoch 1 and step 5 of the next; the same command continues\n"
    )
    assert without_times(run(tmp_path, NOISY)) == undisturbed


def test_a_second_ctrl_c_waits_for_nothing(tmp_path, capsys, monkeypatch):
    """The checkpoint stays as it was."""
    interrupt(tmp_path, NOISY, STEPS + 1)
    before = (tmp_path / "run.pt").read_bytes()
    capsys.readouterr()

    def twice():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(interruption, "check", twice)
    assert main(command(tmp_path, NOISY)) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert (tmp_path / "run.pt").read_bytes() == before


def test_a_signal_that_was_ignored_at_the_start_stays_so(monkeypatch):
    """As Ctrl-C is in the workers of a batch, which their parent asks to leave."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruption.listening():
            os.kill(os.getpid(), signal.SIGINT)
            interruption.check()
            os.kill(os.getpid(), signal.SIGUSR1)
            with pytest.raises(interruption.Interrupted, match="^SIGUSR1$"):
                interruption.check()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_run_may_be_left_again_and_again(tmp_path, undisturbed):
    for _ in range(3):
        interrupt(tmp_path, NOISY, 5, signal.SIGUSR1)
    assert without_times(run(tmp_path, NOISY)) == undisturbed


def test_an_evaluation_is_left_and_repeated(tmp_path, undisturbed, monkeypatch):
    with monkeypatch.context() as patch:
        predict, calls = SVP.predict, []

        def signalled(method, images):
            calls.append(1)
            if len(calls) == 3:  # the second epoch's first batch of two
                os.kill(os.getpid(), signal.SIGTERM)
            return predict(method, images)

        patch.setattr(SVP, "predict", signalled)
        assert main(command(tmp_path, NOISY)) == 75
        assert len(calls) == 3
    assert without_times(run(tmp_path, NOISY)) == undisturbed


def test_a_long_epoch_is_saved_in_between(tmp_path, undisturbed, monkeypatch):
    """A process that dies without a word loses no more than what it did since the last save."""
    with monkeypatch.context() as patch:
        signal_at(patch, 8, signal.SIGALRM)
        signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            main([*command(tmp_path, NOISY), "--checkpoint-minutes", "0"])
    state = Saving(tmp_path / "run.pt", 0).load(undisturbed | undisturbed["provenance"])
    assert state["position"]["step"] == 7
    assert without_times(run(tmp_path, NOISY)) == undisturbed


def start(folder: Path, settings: list[str], **options) -> subprocess.Popen:
    program = [sys.executable, "-m", "svp_core.train", *command(folder, settings)]
    return subprocess.Popen(
        program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


def read_until(process: subprocess.Popen, part: str) -> str:
    return next(line for line in process.stdout if part in line)


@pytest.mark.slow
def test_signals_to_a_whole_job_spare_the_workers_until_the_checkpoint_is_written(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", small_sets.tiny_images())
    small_sets.write_folder(tmp_path / "imagenette2-tiny")
    fetch.fetch("imagenette", tmp_path)
    settings = ["dataset=imagenette", "model=cnn", "method=svp", "seed=0", "recipe.batch_size=8"]
    settings += ["model_options.width=4", "recipe.augmentation=[crop, flip]", "recipe.epochs=3"]
    settings += ["--data-dir", str(tmp_path)]
    folder = tmp_path / "runs"
    folder.mkdir()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "tests/leaving_job.py", *command(folder, settings)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 75, printed
    assert "interrupted by SIGTERM after epoch 1" in printed
    assert (folder / "run.pt").exists()
    resumed = run(folder, settings)
    whole = run(folder, settings, "whole")
    assert without_times(resumed) == without_times(whole)


def test_a_finished_run_is_taken_and_not_trained_again(tmp_path, undisturbed, capsys, monkeypatch):
    """Snakemake deletes the records of a whole group of runs when one of them fails."""
    run(tmp_path, NOISY)
    (tmp_path / "run.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr("svp_core.training.run.run", None)
        assert without_times(run(tmp_path, NOISY)) == undisturbed
    other = run(tmp_path, [*NOISY[:3], "seed=1", *NOISY[4:]])
    assert other["config"]["seed"] == 1 and other["curves"] != undisturbed["curves"]
    (tmp_path / "run.record.json").write_text("{}")
    assert main(command(tmp_path, NOISY)) == 1
    assert "run.record.json is damaged" in capsys.readouterr().err


@pytest.mark.slow
def test_two_processes_give_one_record(tmp_path):
    """One trains, the other waits and takes its record."""
    with lock.holding(tmp_path / "run.lock"):
        processes = [start(tmp_path, LONG) for _ in range(2)]
        for process in processes:
            assert "run.lock" in read_until(process, "waiting for another process")
    printed = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted("epoch 1/" in text for text in printed) == [False, True]
    assert sum("taking the record" in text for text in printed) == 1


def stopped_in_epoch_2(folder: Path, settings: list[str]) -> None:
    training.evaluate = once_then(lambda: os.kill(os.getpid(), signal.SIGSTOP))
    run(folder, settings)


def test_who_waits_continues_when_the_other_is_killed(tmp_path, undisturbed):
    first = get_context("fork").Process(target=stopped_in_epoch_2, args=(tmp_path, NOISY))
    first.start()
    assert os.WIFSTOPPED(os.waitpid(first.pid, os.WUNTRACED)[1])
    second = start(tmp_path, NOISY)
    read_until(second, "waiting for another process")
    first.kill()
    first.join()
    printed, _ = second.communicate(timeout=600)
    assert "continuing after epoch" in printed and "epoch 1/" not in printed
    assert without_times(json.loads((tmp_path / "run.json").read_text())) == undisturbed


def test_who_waits_leaves_when_asked_to(tmp_path):
    with lock.holding(tmp_path / "run.lock"):
        process = start(tmp_path, LONG)
        read_until(process, "waiting for another process")
        process.send_signal(signal.SIGUSR1)
        assert process.wait(600) == 75


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.lockf", fail)
    with pytest.raises(OutputError, match="run.lock: No locks .* need a file system with locks"):
        lock.acquire(tmp_path / "run.lock")


def test_many_writers_never_hold_a_lock_at_once(tmp_path):
    program = (
        "import sys, pathlib; from svp_core.runtime import lock\n"
        "lock.SECONDS_BETWEEN_TRIES = 0.001\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "for _ in range(100):\n"
        "    with lock.holding(folder / 'run.lock'):\n"
        "        (folder / 'inside').touch(exist_ok=False); (folder / 'inside').unlink()\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, text=True)
        for _ in range(4)
    ]
    assert [writer.wait(600) for writer in writers] == [0] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]
