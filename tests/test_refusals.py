"""Surroundings that are wrong: paths, devices, disks, pipes; refused or left in one line."""

import errno
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from doors import contents, refused, require_line
from suite_copy import ROOT

from svp_core import batch, bench, fetch, train, tuning
from svp_core.config import resolve
from svp_core.config.pairs import ConfigError
from svp_core.cost import measure, plan, simulate
from svp_core.runtime import commands
from svp_core.runtime.files import OutputError, require_apart, require_writable, write_atomically

RUN = ["dataset=digits", "model=mlp", "method=bp", "seed=0", "recipe.epochs=1"]
SWEEP = ["name=mlp", "model=mlp", "series=[{method: bp}]", "sweeps=[{depth: [2]}]"]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working directory with a folder, a file, a link and a list of one run in it."""
    (tmp_path / "here").mkdir()
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link.json").symlink_to("file")
    line = '{"run": {"dataset": "digits", "model": "mlp", "method": "bp", "seed": 0}'
    (tmp_path / "runs").write_text(f'{line}, "output": "a.json", "checkpoint": "a.pt"}}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("main", "arguments", "named"),
    [
        (train.main, [*RUN, "--output", "x", "--checkpoint", "x"], "the same file: x"),
        (train.main, [*RUN, "--output", "x", "--checkpoint", "here/../x"], "the same file"),
        (train.main, [*RUN, "--output", "file", "--checkpoint", "link.json"], "the same file"),
        (train.main, [*RUN, "--output", "x.lock", "--checkpoint", "x.pt"], "its lock and --output"),
        (train.main, [*RUN, "--output", "x.record.json", "--checkpoint", "x.pt"], "its copy"),
        (train.main, [*RUN, "--output", "file/x"], "file is no folder"),
        (train.main, [*RUN, "--output", "here"], "it is a folder"),
        (train.main, [*RUN, "--output", "/dev/null"], "it is no file"),
        (train.main, [*RUN, "--output", "x", "--device", "cuda:99"], "--device: cuda:99"),
        (train.main, [*RUN, "--output", "x", "--threads", "0"], "--threads: 0"),
        (train.main, ["dataset=nothing", *RUN[1:], "--output", "x"], "dataset: 'nothing'"),
        (simulate.main, [*SWEEP, "--output", "here"], "it is a folder"),
        (simulate.main, [*SWEEP, "--output", "x", "batch=[1"], "batch: '[1' is not YAML"),
        (measure.main, [*SWEEP, "--output", "x", "--energy-seconds", "nan"], "--energy-seconds"),
        (measure.main, [*SWEEP, "--output", "x", "--warm-up=-1"], "--warm-up"),
        (bench.main, ["step", "--model", "mlp", "--device", "foo"], "--device: 'foo'"),
        (plan.main, ["file", "--tflops", "inf"], "--tflops: inf"),
        (batch.main, ["runs", "--minutes", "nan"], "--minutes: nan"),
        (batch.main, ["runs", "--minutes", "0"], "--minutes: 0"),
        (batch.main, ["runs", "--workers", "0"], "--workers: 0"),
        (batch.main, ["nothing"], "nothing: No such file"),
        (batch.main, ["runs", "--directory", "file"], "is no folder"),
        (fetch.main, ["digits", "--manifest", "file/x"], "is no folder"),
        (fetch.main, ["nothing"], "dataset: 'nothing'"),
        (tuning.main, ["first", "first.jsonl", "--directory", "."], "the study"),
        (tuning.main, ["first", "file", "--directory", "file"], "is no folder"),
        (tuning.main, ["first", "file", "--trials", "0"], "--trials: 0"),
    ],
)
def test_it_is_refused_at_the_start_and_nothing_changes(folder, main, arguments, named):
    before = contents(folder)
    message = refused(main, arguments)
    require_line(message, named)
    assert message.startswith("error: ") and contents(folder) == before


def test_flags_stand_on_either_side_of_settings(tmp_path):
    flags = ["--threads", "1", "--output", "run.json"]
    words = [RUN[0], *flags[:2], *RUN[1:3], *flags[2:], *RUN[3:]]
    given = train.parse_arguments(words)
    assert given.settings == RUN and given.threads == 1 and given.output == Path("run.json")


def test_a_batch_norm_of_one_value_is_refused_before_the_training():
    run = {"dataset": "digits", "model": "resnet", "method": "bp", "seed": 0}
    parts = {"batch_size": 8, "micro_batches": 8}
    for recipe in (parts, {"batch_size": 1}):
        with pytest.raises(ConfigError, match="recipe.batch_size: one image .* 1 value per"):
            resolve(run | {"recipe": recipe})
        assert resolve(run | {"model": "mlp", "recipe": recipe})
    assert resolve(run | {"recipe": parts | {"micro_batches": 4}})


def test_a_device_that_is_there_is_taken():
    assert commands.device("cpu") == torch.device("cpu")


def test_a_cpu_count_that_is_none_is_named(monkeypatch, folder):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "many")
    require_line(refused(train.main, [*RUN, "--output", "x"]), "SLURM_CPUS_PER_TASK: 'many'")


def test_links_and_inputs_are_seen_through(folder):
    with pytest.raises(OutputError, match="the table and the record are the same file"):
        require_apart({"the table": Path("here/../file")}, {"the record": Path("link.json")})
    require_apart({"a": Path("x"), "b": Path("here/x")}, {"c": Path("file")})
    require_writable(Path("link.json"), Path("new/folder/x"))
    assert not Path("new").exists()
    Path("nowhere").symlink_to("gone")
    with pytest.raises(OutputError, match="nowhere leads nowhere"):
        require_writable(Path("nowhere/x"))


@pytest.mark.parametrize("reason", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_place_that_takes_no_file_is_named(folder, monkeypatch, reason):
    def fail(**given):
        raise OSError(reason, "no place")

    monkeypatch.setattr("svp_core.runtime.files.tempfile.TemporaryFile", fail)
    before = contents(folder)
    for main, arguments in ((train.main, [*RUN, "--output", "here/x"]), (batch.main, ["runs"])):
        require_line(refused(main, arguments), "here/x: no place", "a.json: no place")
    assert contents(folder) == before


@pytest.fixture
def full_disk():
    """No file may grow beyond a kilobyte, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "write",
    [
        lambda file: file.write(b"x" * 5000),
        lambda file: torch.save(torch.zeros(5000), file),
    ],
)
def test_a_full_disk_leaves_the_old_file_whole(folder, full_disk, write):
    with pytest.raises(OutputError, match="cannot write file: "):
        write_atomically(Path("file"), write)
    assert Path("file").read_text() == "kept" and len(list(folder.iterdir())) == 4


def test_a_full_disk_ends_a_training_in_one_line(folder, full_disk):
    message = refused(train.main, [*RUN, "--output", "run.json", "--checkpoint", "run.pt"])
    require_line(message, "cannot write run.pt: ")
    assert sorted(path.name for path in folder.iterdir()) == [
        "file",
        "here",
        "link.json",
        "run.lock",
        "runs",
    ]


def test_a_list_is_trained_on_a_full_disk_in_vain(folder, monkeypatch, capsys):
    """Also its log cannot be written."""
    from svp_core.training import jobs

    (job,) = jobs.read_jobs(Path("runs"), folder)
    job.log.symlink_to("/dev/full")
    how, line = jobs.attempt(job, torch.device("cpu"), folder)
    assert how == jobs.FAILED and "No space left on device" in line and "\n" not in line


@pytest.mark.slow
def test_what_nobody_reads_ends_quietly(folder):
    command = f"{sys.executable} -m svp_core.train {' '.join(RUN[:4])} recipe.epochs=200"
    command += f" --threads 1 --output {folder}/run.json | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 141 and done.stderr == ""
    assert done.stdout.startswith("epoch 1/200") and not (folder / "run.json").exists()
