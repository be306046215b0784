"""Two processes that share the units of a network train it as one process does, to the last bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pipelines
import pytest
import torch
from networks import SHAPE, build, build_method
from test_interruption import command, signal_at
from test_training import ROOT, run, without_times
from torch import nn

from svp_core import models
from svp_core.config import resolve
from svp_core.config.pairs import ConfigError, parse_pairs
from svp_core.parallel.ranks import Ranks
from svp_core.parallel.refusals import require_pipeline
from svp_core.parallel.stage import Stage
from svp_core.train import main
from svp_core.training import checkpoint
from svp_core.training.run import assemble

DIGITS = ["dataset=digits", "seed=2", "recipe.epochs=2", "recipe.batch_size=100"]
MLP = [*DIGITS, "model=mlp", "model_options={depth: 4, width: 32}", "recipe.lr=0.01"]
STACKED = [*MLP, "method=local_lda", "method_options.d0=12", "gram_images=60"]
STACKED += ["metrics=[nll,probe,elbo,agreement,neural_collapse]", "recipe.augmentation=[crop]"]
CNN = [
    *DIGITS,
    "model=cnn",
    "model_options={depth: 4, width: 8, stages: 2}",
    "recipe.micro_batches=2",
]
CASES = {
    "the recommended preset, all v seen by the last unit": STACKED,
    "micro-batches of feature maps, a rate a unit": [
        *(*CNN, "method=sll", "recipe.channels_last=true", "recipe.lr_ratio=3")
    ],
    "mixed precision, what was read before sent whole": [
        *(*MLP, "method=svp", "recipe.precision=bfloat16"),
        "method_options={projection: identity, readout: private, alignment: feature_kl}",
    ],
}


def in_ranks(folder: Path, settings: list[str], count: int = 2, code: int = 0, **more) -> str:
    """Train in so many ranks, which end with this code; what they print."""
    folder.mkdir(exist_ok=True)
    with pipelines.ranks(folder, command(folder, settings), count, **more) as processes:
        pass
    printed = pipelines.printed(folder, count)
    assert [one.exitcode for one in processes] == [code] * count, printed
    return printed


def record_of(folder: Path) -> dict:
    """What is equal in records of one process and of several."""
    record = without_times(json.loads((folder / "run.json").read_text()))
    for entry in [record, *record["curves"]]:
        entry.pop("analysis_seconds")
    assert {one.pop("ranks", 1) for one in record["environments"]} <= {1, 2, 3}
    record["environments"] = record["environments"][:1]  # of continued runs there are several
    return record


@pytest.fixture(scope="module")
def stacked(tmp_path_factory) -> dict:
    run(folder := tmp_path_factory.mktemp("stacked"), STACKED)
    return record_of(folder)


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_two_ranks_make_the_record_of_one(tmp_path, settings):
    run(tmp_path, settings)
    printed = in_ranks(tmp_path / "two", settings)
    assert record_of(tmp_path / "two") == record_of(tmp_path)
    assert printed.count("epoch 2/2") == 1  # the last rank speaks for all
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    assert record["environments"][0]["ranks"] == 2


def asked_to_leave(at: int, number: int = signal.SIGTERM):
    """Send the first rank a signal in this step of its own."""

    def prepare(rank: int) -> None:
        step, seen = Stage.step, []

        def counted(stage, *batch):
            seen.append(1)
            if rank == 0 and len(seen) == at:
                os.kill(os.getpid(), number)
            step(stage, *batch)

        Stage.step = counted

    return prepare


def same(one, other) -> bool:
    """Whether two states are equal, tensors to the last bit."""
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_a_checkpoint_of_ranks_is_that_of_one_process_and_any_number_goes_on(tmp_path, stacked):
    printed = in_ranks(tmp_path / "two", STACKED, code=75, prepare=asked_to_leave(15))
    assert printed.count("interrupted by SIGTERM after epoch 1 and step 3 of the next") == 1
    assert sorted(path.suffix for path in (tmp_path / "two").glob("run.*")) == [".lock", ".pt"]
    (tmp_path / "one").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        signal_at(patch, 15 + 1)  # solutions, every fourth step, make two of the step that counts
        assert main(command(tmp_path / "one", STACKED)) == 75
    saved = [torch.load(tmp_path / name / "run.pt") for name in ("one", "two")]
    for state in saved:
        for entry in [state["position"], *state["curves"]]:
            assert entry.pop("seconds") > 0
            entry.pop("analysis_seconds", None)
        state["environments"][0].pop("ranks", None)
    names = [list(state["method"]["modules"]) for state in saved]
    assert same(*saved) and names[0] == names[1]

    in_ranks(tmp_path / "two", STACKED, 3)
    run(tmp_path / "one", STACKED)
    assert record_of(tmp_path / "two") == stacked == record_of(tmp_path / "one")


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_rank_that_is_killed_stops_the_others_and_the_run_goes_on(tmp_path, monkeypatch, lost):
    monkeypatch.setattr(checkpoint, "SHARE", float("inf"))  # saves after every epoch, if short
    long = [*STACKED[:2], "recipe.epochs=2000", *STACKED[3:]]
    log = tmp_path / "rank_2.txt"
    with pipelines.ranks(tmp_path, command(tmp_path, long), 3) as processes:
        while "epoch 3/" not in (log.read_text() if log.exists() else ""):
            assert all(one.is_alive() for one in processes), pipelines.printed(tmp_path, 3)
            time.sleep(0.01)
        processes[lost].kill()
    assert [one.exitcode for one in processes if one is not processes[lost]] == [1, 1]
    printed = pipelines.printed(tmp_path, 3)
    assert printed.count("error: ") == 1
    assert "has gone; the same command continues" in printed
    assert len(torch.load(tmp_path / "run.pt")["curves"]) >= 3
    with pytest.MonkeyPatch.context() as patch:  # it is a whole one, of one step
        signal_at(patch, 1)
        assert main(command(tmp_path, long)) == 75


def method(*settings: str):
    given = [*DIGITS, "model=mlp", "model_options.width=8", *settings]
    config = resolve(parse_pairs(given))
    return config, assemble(config)


REFUSED = {
    "method: bp does not train the units of svp": ["method=bp"],
    "method: predsim does not": ["method=predsim"],
    "--ranks: 2 ranks for 1 units": ["method=svp", "model_options.depth=1"],
    "method_options.overlap: a loss would reach back": ["method=svp", "method_options.overlap=1"],
    "recipe.cuda_graphs: units wait": ["method=svp", "recipe.cuda_graphs=true"],
    "method_options.update: after all units": ["method=svp", "method_options.update=after"],
    "method_options.target: posterior sends": ["method=svp", "method_options.target=posterior"],
    "method_options.auxiliary: ema follows": ["method=svp", "method_options.auxiliary=ema"],
    "method_options.readout: shared is trained": ["method=svp", "method_options.readout=shared"],
    "method_options.dropout: ranks would draw": ["method=svp", "method_options.dropout=0.1"],
    "method_options.noise: ranks would draw": ["method=svp", "method_options.noise=0.1"],
    "metrics: gradient_cosine needs the weights": ["method=svp", "metrics=[nll,gradient_cosine]"],
    "metrics: weights needs the weights": ["method=svp", "metrics=[weights]"],
}


@pytest.mark.parametrize(("message", "settings"), REFUSED.items(), ids=lambda one: str(one)[:30])
def test_what_a_pipeline_cannot_do_is_refused_by_name(message, settings):
    with pytest.raises(ConfigError) as error:
        require_pipeline(*method(*settings), 2)
    assert str(error.value).startswith(message)


def test_one_rank_is_no_pipeline():
    with pytest.raises(ConfigError, match="--ranks: 1 rank has nobody to send to"):
        require_pipeline(*method("method=svp"), 1)


def test_an_error_of_all_ranks_is_told_once_and_writes_nothing(tmp_path):
    printed = in_ranks(tmp_path / "two", [*MLP, "method=svp", "method_options.noise=0.1"], code=1)
    assert printed.count("\n") == printed.count("error: method_options.noise: ") == 1
    assert not (tmp_path / "two" / "run.json").exists()


def test_units_that_draw_random_numbers_are_refused_at_their_first_step():
    blocks = [nn.Sequential(nn.Flatten(), nn.Linear(64, 8)), nn.Sequential(nn.Dropout(0.5))]
    blocks[1].append(nn.Linear(8, 8))
    model = models.of_blocks(blocks, None, build("mlp", SHAPE).reduce, SHAPE)
    whole = build_method(model, "svp", image_shape=SHAPE)
    stage = Stage(whole, range(2), Ranks(0, 1), None)
    with pytest.raises(ConfigError, match="units 1 to 2 draw random numbers"):
        stage.step(torch.randn(4, *SHAPE), torch.arange(4))


def test_a_process_that_is_no_rank_is_told_how_they_are_started(tmp_path, capsys):
    assert main([*command(tmp_path, [*MLP, "method=svp"]), "--parallel", "pipeline"]) == 1
    assert "--ranks N starts them, or torchrun" in capsys.readouterr().err


@pytest.mark.slow
def test_ranks_starts_them_and_ends_as_they_end(tmp_path):
    start = [sys.executable, "-m", "svp_core.train", *command(tmp_path, STACKED), "--ranks", "2"]
    started = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 600}
    done = subprocess.run(start, **started)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run.json").read_text())["environments"][0]["ranks"] == 2
    refused = subprocess.run([*start, "method_options.overlap=1"], **started)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: method_options.overlap: ")
    assert refused.stderr.count("\n") == 1
