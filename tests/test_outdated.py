"""A record is taken for what it says of itself, not for its name; what is of other settings, seeds,
sources or data is named by file and key, and made again or refused."""

import json
from pathlib import Path

import pytest
from builders import record
from suite_copy import change, default_config

from svp_core import planned, records
from svp_core.records import RecordError
from workflow import costs, planning
from workflow.scripts import collect_cost, collect_runs

NAME = "digits/mlp/svp/default/0"
SWEEP = "quick", "simulate", "cnn"
OTHER = "0" * 12
SETTINGS = [
    ("recipe.epochs", 2, "config.recipe.epochs is 2, planned 40"),
    ("seed", 7, "config.seed is 7, planned 0"),
    ("variant", "wide", "config.variant is wide, planned default"),
    ("method_options.blocks", True, "config.method_options.blocks is True, planned 1"),
    ("method_options.gone", 1, "config.method_options.gone is not planned"),
    ("metrics", ["nll"], "config.metrics is ['nll'], planned ['nll', 'ece'"),
]


@pytest.fixture
def plan(tmp_path, monkeypatch) -> planning.Plan:
    """The plan of the default config in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return planning.Plan(default_config(), tmp_path)


def made(plan: planning.Plan, name: str = NAME, **hashes) -> dict:
    """The record of a planned run."""
    config = json.loads(json.dumps(plan.run(name)))
    found = record(config=config)
    (last,) = found["curves"][-1:]
    found["curves"] = [last | {"epoch": n} for n in range(1, config["recipe"]["epochs"] + 1)]
    found["epochs"] = len(found["curves"])
    found["provenance"] |= {"source_hash": plan.source_hash(name)} | hashes
    return found


def write(path: str, content: dict) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(content))


def collect(plan: planning.Plan, *options: str) -> None:
    """Collect the record of one planned run, as the workflow does."""
    planned.write("grid.jsonl", [plan.line(NAME)])
    collect_runs.main(["--planned", "grid.jsonl", "--output-dir", "tables", *options])


def test_a_record_of_the_planned_run_is_taken(plan):
    write(plan.path(NAME), made(plan))
    assert plan.offence(NAME) is None and plan.is_current(NAME)
    collect(plan)
    assert Path("tables/runs.csv").exists()


@pytest.mark.parametrize(("key", "value", "message"), SETTINGS)
def test_a_record_of_other_settings_is_named_and_never_collected(plan, key, value, message):
    found = made(plan)
    found["config"] = change(found["config"], key, value)
    if key == "recipe.epochs":
        found |= {"curves": found["curves"][:2], "epochs": 2}
    write(plan.path(NAME), found)
    assert plan.offence(NAME).startswith(message) and not plan.is_current(NAME)
    for options in ((), ("--keep-stale",)):
        with pytest.raises(SystemExit) as error:
            collect(plan, *options)
        assert str(error.value).startswith(f"error: {plan.path(NAME)}: {message}")
    assert not Path("tables").exists()


@pytest.mark.parametrize("name", planned.HASHES)
def test_a_record_of_other_sources_or_data_is_refused_unless_it_is_kept(plan, capsys, name):
    write(plan.path(NAME), made(plan, **{name: OTHER}))
    assert plan.offence(NAME).startswith(f"{name} is {OTHER}, now ")
    with pytest.raises(SystemExit, match=f"stale: {plan.path(NAME)}: {name} .*keep_stale: true"):
        collect(plan)
    assert not Path("tables").exists()
    collect(plan, "--keep-stale")
    assert f"stale: {plan.path(NAME)}: {name} is {OTHER}" in capsys.readouterr().err


def test_kept_records_train_nothing_again_whatever_the_code(plan):
    write(plan.path(NAME), made(plan, source_hash=OTHER))
    keeping = planning.Plan(default_config() | {"keep_stale": True})
    assert keeping.offence(NAME) is None
    assert keeping.sources(NAME) == OTHER != plan.sources(NAME) == plan.source_hash(NAME)
    found = made(plan, source_hash=OTHER)
    found["config"]["recipe"]["lr"] = 5.0
    write(plan.path(NAME), found)
    assert keeping.sources(NAME) == plan.source_hash(NAME)


def test_data_that_a_manifest_tells_are_compared(plan, tmp_path):
    plan.grid["x"] = plan.run(NAME) | {"dataset": "imagenette"}
    assert plan.data_hash("imagenette") == {} and plan.data_hash("mnist") == {"data_hash": None}
    (tmp_path / "imagenette.json").write_text("{}")
    assert plan.data_hash("imagenette") == {"data_hash": "44136fa355b3"}  # SHA-256 of {}


def test_runs_whose_records_are_of_others_are_listed_to_train(plan):
    write(plan.path(NAME), made(plan))
    write(plan.path("digits/mlp/bp/default/0"), made(plan, "digits/mlp/bp/default/1"))
    runs = {name: plan.grid[name] for name in (NAME, "digits/mlp/bp/default/0")}
    assert planning.write_jobs(plan, runs, "runs.jsonl") == 1
    assert json.loads(Path("runs.jsonl").read_text())["run"] == runs["digits/mlp/bp/default/0"]
    lines = planning.write_unfinished(plan, runs, "plan.json")
    assert lines == ["results/runs/digits/mlp/bp/default/0.json: config.seed is 1, planned 0"]


def test_unfinished_runs_are_counted_by_setting(plan):
    write(plan.path(NAME), made(plan))
    write(damaged := plan.path("digits/mlp/bp/default/1"), {"config": {}})
    (line,) = planning.write_unfinished(plan, plan.grid, "plan.json")
    assert line.startswith(f"{damaged}: record: 'provenance' is a required property")
    found = json.loads(Path("plan.json").read_text())
    assert found["records"] == [plan.path(NAME)]
    seeds = len(plan.config["grid"]["seed"])
    counts = sorted(run["count"] for run in found["runs"])
    assert counts == [seeds - 1, *[seeds] * (len(plan.grid) // seeds - 1)]


def test_a_cost_record_of_other_cells_is_named(plan, capsys):
    sweeps = costs.Costs(default_config())
    path, line = sweeps.path(SWEEP), sweeps.line(SWEEP)
    found = {"torch_version": "2", "source_hash": line["source_hash"], "cells": line["cells"]}
    write(path, found | {"rows": []})
    assert sweeps.offence(SWEEP) is None and sweeps.is_current(SWEEP)
    cells = json.loads(json.dumps(line["cells"]))
    cells[0]["model_options"]["depth"] = 77
    write(path, found | {"cells": cells})
    assert sweeps.offence(SWEEP).startswith("cells.0.model_options.depth is 77, planned ")
    write(path, found | {"source_hash": OTHER})
    assert sweeps.offence(SWEEP).startswith(f"source_hash is {OTHER}, now ")
    assert costs.Costs(default_config() | {"keep_stale": True}).sources(SWEEP) == OTHER
    assert costs.write_commands(sweeps, "quick", "measure.sh")


def test_a_list_that_is_none_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text("[1]\n")
    with pytest.raises(RecordError, match="a.jsonl: not a list of planned records"):
        planned.read(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text("")
    for script in (collect_runs, collect_cost):
        with pytest.raises(SystemExit):
            script.main(["--planned", str(tmp_path / "b.jsonl"), "--output-dir", str(tmp_path)])


def test_a_record_is_read_once_for_as_long_as_its_file_stays_the_same(plan, monkeypatch):
    write(plan.path(NAME), made(plan))
    read = []
    whole = records.read
    monkeypatch.setattr(
        records, "read", lambda path, schema: read.append(path) or whole(path, schema)
    )
    assert plan.is_current(NAME) and plan.settings(NAME) and plan.offence(NAME) is None
    assert read == [plan.path(NAME)]
    write(plan.path(NAME), made(plan, source_hash=OTHER))
    assert not plan.is_current(NAME) and not plan.is_current(NAME) and len(read) == 2
    Path(plan.path(NAME)).unlink()
    assert not plan.is_current(NAME) and plan.offence(NAME) is None
