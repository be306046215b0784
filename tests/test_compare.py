"""One command compares methods on a network and a folder of images of one's own."""

import csv
import json

import pytest
from test_own_datasets import folder

from svp_core import compare, datasets
from svp_core.data import own


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    """What the command changes in this process ends with the test."""
    monkeypatch.setattr(own, "folder", own.folder)
    monkeypatch.setattr(datasets, "load", datasets.load)


def run(tmp_path, *changed, factory="own_networks:mlp", data=None) -> int:
    data = data or f"imagefolder:{folder(tmp_path / 'trees', count=20)}"
    given = ["--arguments", "classes=3", "--seeds", "2", "--epochs", "2", "--threads", "1"]
    given += ["--recipe", "batch_size=16", "--methods", "bp", "svp:readout=lda:d0=8"]
    folders = ["--output-dir", str(tmp_path / "out"), "--device", "cpu"]
    return compare.main([factory, "--data", data, *given, *folders, *changed])


def test_a_table_a_figure_and_records_are_made(tmp_path, capfd):
    assert run(tmp_path) == 0
    printed = capfd.readouterr().out
    assert "head  the output" in printed  # the units, then the table
    assert "| svp    | readout-lda_d0-8 | 2 | 0" in printed
    with (tmp_path / "out/runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["bp", "bp", "svp", "svp"]
    assert {row["model_options.factory"] for row in rows} == {"own_networks:mlp"}
    record = json.loads((tmp_path / "out/runs/bp/default/0.json").read_text())
    assert record["test_accuracy"] == float(rows[0]["test_accuracy"])
    assert (tmp_path / "out/comparison.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (["--units", "nine"], "units: 'nine' is no module of Sequential"),
        (["--arguments", "wrong=3"], "arguments: own_networks:mlp does not take them"),
        (["--arguments", "classes=4"], "classes: 3, but the head of the network returns 4 values"),
        (["--methods", "bp", "svp:d0=x"], "method_options.d0: 'x' is not"),
        (["--methods", "nothing"], "method: 'nothing' is not one of"),
        (["--recipe", "lr=-1"], "recipe.lr: -1"),
        (["--recipe", "lr"], "'lr' is not of the form key=value"),
        (["--size", "5"], "block 1 of the network does not take 1x5x5 an image"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_any_training(changed, said, tmp_path, capsys):
    assert run(tmp_path, *changed) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and said in line
    assert not (tmp_path / "out/runs").exists()


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("own_networks", "factory: 'own_networks' is not of the form MODULE:FUNCTION"),
        ("own_networks:none", "factory: no own_networks:none"),
        ("nothing:none", "factory: no nothing:none: No module named 'nothing'"),
        ("builtins:dict", "factory: builtins:dict returns no nn.Module but dict"),
    ],
)
def test_a_factory_that_makes_no_network_is_refused(factory, said, tmp_path, capsys):
    assert run(tmp_path, factory=factory) == 1
    assert said in capsys.readouterr().err
