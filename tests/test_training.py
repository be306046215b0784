"""Runs from the command line: records, determinism, resuming, and errors that name their cause."""

import json
import os
import platform
import signal
from multiprocessing import get_context
from pathlib import Path

import jsonschema
import pytest
import torch
import yaml

from svp_core import provenance
from svp_core.config import resolve
from svp_core.config.pairs import parse_pairs
from svp_core.cost.memory import measure_step
from svp_core.runtime.cpus import available_cpus
from svp_core.train import main
from svp_core.training import run as training
from svp_core.training.run import build_method

ROOT = Path(__file__).parents[1]
SETTINGS = ["dataset=digits", "model=mlp", "method=svp", "seed=3", "recipe.epochs=3"]
TINY = [*SETTINGS, "model_options.width=32", "recipe.lr=0.01"]


def run(folder: Path, settings: list[str] = TINY, name: str = "run") -> dict:
    output = folder / f"{name}.json"
    checkpoint = folder / f"{name}.pt"
    command = [*settings, "--output", str(output), "--checkpoint", str(checkpoint)]
    assert main([*command, "--threads", "1"]) == 0
    assert not checkpoint.exists()
    return json.loads(output.read_text())


def without_times(record: dict) -> dict:
    """What must be equal in two records of one run."""
    record = json.loads(json.dumps(record))
    del record["train_seconds"]
    for entry in record["curves"]:
        del entry["seconds"], entry["joules"]
    for key in ("started_at", "finished_at"):
        del record["provenance"][key]
    return record


class Killed(BaseException):
    """In place of a signal that nobody can hear."""


def interrupted(folder: Path, settings: list[str] = TINY) -> Path:
    """A checkpoint after the first of the epochs."""

    def stop(*arguments):
        raise Killed

    checkpoint = folder / "run.pt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("svp_core.training.run.evaluate", once_then(stop))
        with pytest.raises(Killed):
            run(folder, settings)
    assert checkpoint.exists()
    return checkpoint


def once_then(fail):
    from svp_core.training.evaluation import evaluate

    calls = []

    def first_time(*arguments):
        calls.append(1)
        return evaluate(*arguments) if len(calls) == 1 else fail()

    return first_time


def test_a_record_is_valid_and_complete(tmp_path):
    record = run(tmp_path)
    schema = yaml.safe_load((ROOT / "svp_core/training/record.schema.yaml").read_text())
    jsonschema.validate(record, schema)
    assert record["status"] == "completed" and record["step"] == "fast"
    assert len(record["curves"]) == record["epochs"] == 3
    unit_accuracy = record["metrics"]["unit_accuracy"]
    assert len(unit_accuracy) == 3
    assert record["test_accuracy"] == unit_accuracy[-1] > 50
    assert unit_accuracy == record["curves"][-1]["unit_accuracy"]
    weights, hidden = 64 * 32 + 32, 32 * 32 + 32
    assert record["parameters"] == weights + 2 * hidden
    assert record["environments"][-1]["torch"] == torch.__version__
    files = provenance.run_sources(record["config"])
    assert record["provenance"]["source_hash"] == provenance.source_hash(files)


CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, CUDA])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("model", ["mlp", "cnn", "vit"])
@pytest.mark.parametrize("method", ["bp", "svp", "predsim", "local_lda"])
def test_the_same_seed_gives_the_same_record(tmp_path, model, method, device):
    settings = ["dataset=digits", f"model={model}", f"method={method}", "seed=5"]
    settings += ["recipe.epochs=1", "model_options.depth=2", "model_options.width=16"]
    settings += ["--device", device]
    one, other = (run(tmp_path, settings, name) for name in ("one", "other"))
    assert without_times(one) == without_times(other)
    different = run(tmp_path, [*settings[:3], "seed=6", *settings[4:]], "different")
    assert different["curves"] != one["curves"]


KILLED = [("svp", "mlp"), ("svp", "cnn"), ("predsim", "cnn"), ("local_lda", "cnn")]


@pytest.mark.parametrize(("method", "model"), KILLED)
def test_a_killed_run_ends_with_the_numbers_of_an_uninterrupted_one(
    tmp_path, method, model, capsys
):
    settings = ["dataset=digits", f"model={model}", f"method={method}", "seed=0"]
    settings += ["recipe.epochs=4"]
    settings += ["model_options.depth=4", "model_options.width=16", "recipe.batch_size=100"]
    uninterrupted = run(tmp_path, settings, "uninterrupted")

    killed = get_context("fork").Process(target=killed_in_epoch_2, args=(tmp_path, settings))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert (tmp_path / "killed.pt").exists() and not (tmp_path / "killed.json").exists()

    capsys.readouterr()
    assert without_times(run(tmp_path, settings, "killed")) == without_times(uninterrupted)
    printed = capsys.readouterr().out
    assert "continuing after epoch" in printed and "epoch 1/" not in printed


def killed_in_epoch_2(folder: Path, settings: list[str]) -> None:
    training.evaluate = once_then(lambda: os.kill(os.getpid(), signal.SIGKILL))
    run(folder, settings, "killed")


def test_a_diverging_run_keeps_its_curves_and_succeeds(tmp_path):
    record = run(tmp_path, [*TINY[:-1], "recipe.optimizer=sgd", "recipe.lr=1e30"])
    schema = yaml.safe_load((ROOT / "svp_core/training/record.schema.yaml").read_text())
    jsonschema.validate(record, schema)
    assert record["status"] == "diverged"
    assert record["test_accuracy"] is None and record["metrics"] == {}
    assert record["epochs"] == len(record["curves"]) < 3
    assert None in record["curves"][-1]["unit_loss"]


def test_a_run_continued_elsewhere_says_so(tmp_path, monkeypatch):
    whole = run(tmp_path, name="whole")
    with monkeypatch.context() as patch:
        patch.setattr("svp_core.training.record.device_name", lambda device: "another processor")
        interrupted(tmp_path)
    record = run(tmp_path)
    devices = [environment["device"] for environment in record["environments"]]
    assert devices == ["another processor", whole["environments"][0]["device"]]
    assert record["metrics"] == whole["metrics"]


def test_a_run_on_a_cluster_says_where_and_uses_its_cpus(tmp_path, monkeypatch):
    assert run(tmp_path, name="here")["provenance"]["job"] is None
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    origin = run(tmp_path)["provenance"]
    assert origin["job"] == "17" and origin["node"] == platform.node()
    assert available_cpus() == 1
    output = tmp_path / "many.json"
    assert main([*TINY, "--output", str(output), "--threads", "64"]) == 0
    assert json.loads(output.read_text())["environments"][0]["threads"] == 1


def test_a_gpu_that_is_not_used_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for granted, is_said in (("0", True), ("", False), ("-1", False)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", granted)
        run(tmp_path)
        assert ("warning: CUDA_VISIBLE_DEVICES is set" in capsys.readouterr().out) == is_said


def test_the_peak_counts_the_batch_and_not_the_labels_of_all_images(tmp_path):
    method = build_method(resolve(parse_pairs(TINY)), torch.device("cpu"))
    batch = torch.zeros(64, 1, 8, 8), torch.zeros(64, dtype=torch.long)
    assert run(tmp_path)["peak_memory_bytes"] == measure_step(method, *batch)["total"]


def test_a_relative_import_is_refused(tmp_path):
    (tmp_path / "model.py").write_text("from . import cnn\n")
    with pytest.raises(ImportError, match="model.py: import svp_core by its name"):
        provenance.imported(tmp_path / "model.py")


def test_files_are_readable_for_colleagues(tmp_path):
    run(tmp_path)
    (tmp_path / "usual").touch()
    assert (tmp_path / "run.json").stat().st_mode == (tmp_path / "usual").stat().st_mode


def refuse(folder: Path, capsys, settings: list[str] = TINY, name: str = "run") -> str:
    """The error of a run that must not start."""
    command = [*settings, "--output", str(folder / f"{name}.json")]
    assert main([*command, "--checkpoint", str(folder / "run.pt"), "--threads", "1"]) == 1
    return capsys.readouterr().err


def test_a_checkpoint_of_another_config_is_refused_and_kept(tmp_path, capsys):
    checkpoint = interrupted(tmp_path)
    before = checkpoint.read_bytes()
    error = refuse(tmp_path, capsys, [*TINY[:-1], "recipe.lr=0.5"])
    assert "run.pt belongs to another config (recipe.lr=0.01 recipe.lr=0.5)" in error
    assert checkpoint.read_bytes() == before


def test_a_checkpoint_of_other_sources_is_refused(tmp_path, capsys, monkeypatch):
    interrupted(tmp_path)
    monkeypatch.setattr("svp_core.provenance.source_hash", lambda files: "0" * 12)
    assert "run.pt belongs to other sources" in refuse(tmp_path, capsys)


def test_a_checkpoint_of_other_data_is_refused(tmp_path, capsys, monkeypatch):
    interrupted(tmp_path)
    origin = training.find_origin
    other = {"data_hash": "1" * 12}
    monkeypatch.setattr("svp_core.training.run.find_origin", lambda *given: origin(*given) | other)
    assert "run.pt belongs to other data (None, now 111111111111)" in refuse(tmp_path, capsys)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text", "foreign"])
def test_a_damaged_checkpoint_is_named(tmp_path, capsys, damage):
    checkpoint = interrupted(tmp_path)
    content = bytearray(checkpoint.read_bytes())
    if damage == "flipped":
        content[: len(content) // 2] = bytes(255 - byte for byte in content[: len(content) // 2])
    if damage == "foreign":
        torch.save({"weights": torch.zeros(2)}, checkpoint)
    else:
        kept = {"truncated": content[:-500], "flipped": content, "empty": b"", "text": b"hello\n"}
        checkpoint.write_bytes(kept[damage])
    error = refuse(tmp_path, capsys)
    assert "run.pt is " in error and "delete it to start over" in error
    assert "Traceback" not in error


def test_a_checkpoint_cannot_run_code(tmp_path, capsys):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harmed"),)

    torch.save({"config": Payload()}, tmp_path / "run.pt")
    assert "run.pt is damaged" in refuse(tmp_path, capsys)
    assert not (tmp_path / "harmed").exists()


def test_an_unwritable_output_is_refused_before_training(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("svp_core.training.run.run", None)
    (tmp_path / "file").write_text("")
    error = refuse(tmp_path, capsys, SETTINGS, "file/run")
    assert "cannot write" in error and "file/run.json" in error
    (tmp_path / "folder.json").mkdir()
    assert "folder.json: it is a folder" in refuse(tmp_path, capsys, name="folder")


def test_a_full_disk_at_the_end_keeps_the_checkpoint(tmp_path, capsys, monkeypatch):
    def fail(source, target):
        if str(target).endswith(".json"):
            raise OSError(28, "No space left on device")
        rename(source, target)

    rename = os.replace
    monkeypatch.setattr("os.replace", fail)
    assert "run.json: No space left on device" in refuse(tmp_path, capsys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.lock", "run.pt"]


def test_a_disk_that_fills_up_while_saving_is_named(tmp_path, capsys, monkeypatch):
    def fail(state, file):
        raise RuntimeError("unexpected pos 64 vs 0")  # what torch makes of ENOSPC

    monkeypatch.setattr("torch.save", fail)
    error = refuse(tmp_path, capsys)
    assert "cannot write" in error and "run.pt" in error
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]


def test_a_bad_config_is_named_before_anything_is_written(tmp_path, capsys):
    error = refuse(tmp_path, capsys, [*TINY, "recipe.learning_rate=0.1"])
    assert "learning_rate" in error
    assert not list(tmp_path.iterdir())


def test_a_run_needs_only_its_own_files():
    sll = resolve({"dataset": "digits", "model": "mlp", "method": "sll", "seed": 0})
    names = {file.name for file in provenance.run_sources(sll)}
    assert {"mlp.py", "sll.py", "svp.py", "digits.py", "memory.py"} <= names
    assert not {"cnn.py", "vit.py", "bp.py", "train.py", "config.py"} & names
