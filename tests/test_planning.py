"""What a config asks for: names of runs, when they are trained again, and what is refused."""

import json
import re
from pathlib import Path

import pytest
import yaml
from builders import record
from snakemake.utils import update_config
from suite_copy import ROOT, change, default_config

from svp_core import provenance
from svp_core.config import options
from svp_core.config.pairs import ConfigError, parse_pairs
from workflow import costs, planning
from workflow.studies import Study, written

NAME = "digits/mlp/svp/default/0"
SWEEP = "quick", "simulate", "cnn"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(path: str | None = None, value=None) -> planning.Plan:
    """The plan of the default config, with one key changed."""
    config = default_config()
    return planning.Plan(change(config, path, value) if path else config)


def write(path: str, record) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(record if isinstance(record, str) else json.dumps(record))


def write_record(one: planning.Plan, name: str, **changes) -> None:
    """Write the record of a planned run, with another config or other hashes."""
    made = record(config=changes.pop("config", one.run(name)))
    made["provenance"] |= {"source_hash": one.source_hash(name)} | changes
    write(planning.record_path(name), made)


def study(one: planning.Plan, seed=(0,), tasks=("digits/mlp",), **axes) -> tuple[list, list]:
    """The variants of a study, seed by seed, and why others were left out."""
    one.add_study(Study("x", "svp", tuple(tasks), tuple(seed), axes))
    names, left_out = one.study_runs("x")
    return [name.split("/")[3] for name in names], left_out


def test_the_grid_has_every_combination_once():
    runs = plan().grid
    assert len(runs) == 45 and NAME in runs and "digits/vit/bp/default/2" in runs
    tuned = runs["digits/vit/svp/default/1"]
    assert tuned["method_options"]["scale"] == 8.0 and tuned["recipe"]["lr"] == 0.006
    assert tuned["seed"] == 1 and {"nll", "probe"} < set(tuned["metrics"])


def test_a_variant_runs_beside_the_grid_on_its_tasks():
    variant = {"name": "plain", "method": "svp", "options": {"alignment": "none"}}
    runs = plan("variants", [variant | {"tasks": ["digits/vit"], "recipe": {"lr": 1.0}}]).grid
    assert len(runs) == 50
    run = runs["digits/vit/svp/plain/0"]
    assert run["method_options"]["scale"] == 8.0 and run["recipe"]["lr"] == 1.0
    # it belongs to the alignment that was replaced
    assert "alignment_std" not in run["method_options"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("baseline", "backprop", "config baseline.method: 'backprop' is not one of"),
        ("metrics", ["nil"], "config metrics.metric: 'nil' is not one of"),
        ("grid.method", ["bp", "backprop"], "config grid.method: 'backprop' is not one of"),
        ("grid.dataset", ["mnisst"], "config grid.dataset: 'mnisst' is not one of"),
        ("ablations.tasks", ["digitz/mlp"], "config ablations.tasks.dataset: 'digitz' is not one"),
        (
            "variants",
            [{"name": "x", "method": "svp", "tasks": ["digits/mpl"]}],
            "config variants.x.tasks.model: 'mpl' is not one of",
        ),
        ("grid.dataset", ["mnist"], "config tasks.mnist/mlp: missing, but the grid asks for it"),
        ("tasks.mnsit/mlp", {}, "config tasks.mnsit/mlp.dataset: 'mnsit' is not one of"),
        ("tasks.digits/mpl", {}, "config tasks.digits/mpl.model: 'mpl' is not one of"),
        ("tasks.digits/mlp.svvp", {}, "config tasks.digits/mlp.method: 'svvp' is not one of"),
        ("tasks.digits/mlp.model.depth", 0, "config tasks.digits/mlp.model.depth: 0 is less than"),
        ("tasks.digits/mlp.svp", {"beta": -1}, "config tasks.digits/mlp.svp.beta: -1 is less"),
        ("tasks.digits/mlp.recipe.lr", "fast", "config tasks.digits/mlp.recipe.lr: 'fast' is not"),
        ("tasks.digits/mlp.recipe.batch_size", 9999, "digits/mlp/bp/default: recipe.batch_size"),
        ("target_accuracy.mnsit", [90], "config target_accuracy.dataset: 'mnsit' is not one of"),
        ("variants", [{"name": "x", "method": "svvp"}], "config variants.x.method: 'svvp' is not"),
        (
            "variants",
            [{"name": "wide", "method": "bp", "options": {"beta": 0}}],
            "digits/mlp/bp/wide: .*'beta'",
        ),
        ("variants", [{"name": "x", "method": "svp"}] * 2, "digits/mlp/svp/x/0 is planned twice"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(path, value, message):
    with pytest.raises(ConfigError, match=message):
        plan(path, value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("cost.full.measure.mpl", [{}], "config cost.full.measure.mpl: not in cost.models"),
        ("cost.models.cnn.image_size", 2, "config cost.quick.simulate.cnn: .* 2 halvings"),
        ("cost.series", [{"method": "backprop"}], "config cost.quick.simulate.mlp: .*'backprop'"),
        ("cost.models.mlp.model_options", {"widht": 5}, "config cost.quick.*'widht'"),
    ],
)
def test_a_sweep_that_is_wrong_is_named_by_its_key(path, value, message):
    with pytest.raises(ConfigError, match=message):
        costs.Costs(change(default_config(), path, value)).check()


def test_a_study_names_runs_by_what_differs_from_the_task():
    variants, _ = study(plan(), scale=[1, 4, 4.0], d0=[None, 100], readout=["shared"])
    assert variants == [
        "readout-shared",
        "d0-100_readout-shared",
        "readout-shared_scale-4.0",
        "d0-100_readout-shared_scale-4.0",
    ]


def test_a_study_shares_runs_with_the_grid():
    one = plan()
    variants, _ = study(one, seed=[0, 7], tasks=["digits/vit"], scale=[1.0, 8], beta=1)
    assert variants == ["scale-1.0"] * 2 + ["default"] * 2
    shared, new = (f"digits/vit/svp/default/{seed}" for seed in (0, 7))
    assert one.ablations[shared] == one.grid[shared] and new not in one.grid
    assert one.run(new) == one.grid[shared] | {"seed": 7}


def test_claims_rest_on_studies_whose_tasks_the_grid_has():
    one = plan("claims.studies", ["x"])
    with pytest.raises(ConfigError, match="claims.studies: x is no file of workflow/ablations"):
        one.claim_studies()
    study(one, beta=[0.5, 1])
    assert one.claim_studies() == ["x"]
    assert set(one.needed) - set(one.grid) == {"digits/mlp/svp/beta-0.5/0"}
    elsewhere = plan("claims.studies", ["x"])
    elsewhere.grid = {name: run for name, run in one.grid.items() if run["model"] == "vit"}
    study(elsewhere, beta=[0.5, 1])
    assert elsewhere.claim_studies() == [] and elsewhere.needed == elsewhere.grid


def test_a_study_varies_recipes_and_sizes():
    axes = {"recipe.augmentation": [[], ["crop", "cutout"]], "model_options.depth": [4, 6]}
    variants, _ = study(plan(), **axes)
    assert variants == [
        "default",
        "model_options.depth-6",
        "recipe.augmentation-crop+cutout",
        "model_options.depth-6_recipe.augmentation-crop+cutout",
    ]


def test_an_option_of_a_part_needs_the_part():
    variants, left_out = study(plan(), alignment=["none", "gaussian_kl"], alignment_std=[10, 5])
    assert variants == ["default", "alignment_std-5.0"]
    assert len(left_out) == 2 and "no method_options.alignment_std" in left_out[0]


def test_impossible_cells_are_left_out_with_the_reason():
    variants, left_out = study(plan(), blocks=[1, 2, 9])
    assert variants == ["default", "blocks-2"]
    assert left_out == ["digits/mlp, svp: blocks=9: method_options.blocks: 9 exceeds depth 4"]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"blocks": [1, 9]}, "ablation x: fewer than two settings .*blocks: 9 exceeds depth 4"),
        ({"scael": [1, 2]}, "ablation x: fewer than two settings .*no method_options.scael"),
        ({"scale": [1, -2]}, "ablation x: method_options.scale: -2 is less than"),
        ({"alignment": ["none", "nine"]}, "ablation x: method_options.alignment: 'nine' is not"),
        ({"beta": 1.0}, "ablation x: fewer than two settings to compare: it varies nothing"),
        ({"tasks": ["digits/vgg"], "beta": [1, 2]}, "tasks.digits/vgg: missing, but it asks"),
    ],
)
def test_a_study_without_a_question_stops(axes, message):
    with pytest.raises(ConfigError, match=message):
        study(plan(), **axes)


def test_values_in_names_are_safe_in_paths():
    values = [1e-5, None, True, "a", ["a", "b"], [], 12]
    assert " ".join(map(written, values)) == "1e-05 null true a a+b none 12"


def test_settings_are_those_of_the_record_where_options_were_added(folder):
    one = plan()
    before = one.settings(NAME)
    assert parse_pairs(before) == one.run(NAME)
    older = json.loads(json.dumps(one.run(NAME)))
    del older["method_options"]["draw"]
    write_record(one, NAME, config=older)
    assert parse_pairs(one.settings(NAME)) == older
    # another value, or another default
    older["method_options"]["beta"] = 2.0
    write_record(one, NAME, config=older)
    assert one.settings(NAME) == before
    # what is trained again has the options of today at once
    del older["method_options"]["beta"]
    write_record(one, NAME, config=older, source_hash="0" * 12)
    assert one.settings(NAME) == before


@pytest.mark.parametrize(
    "record", ["", "{", "[]", {}, {"config": 1, "provenance": 2}, {"config": {"recipe": 1}}]
)
def test_a_damaged_record_stops_no_plan(folder, record):
    one = plan()
    before, cells = one.settings(NAME), costs.Costs(default_config()).cells(SWEEP)
    write(planning.record_path(NAME), record)
    write(costs.record_path(SWEEP), record)
    assert one.settings(NAME) == before
    assert costs.Costs(default_config()).cells(SWEEP) == cells


def test_sources_are_those_of_the_parts_of_a_run():
    one = plan()
    study(one, alignment=["none", "kl"])
    hashes = {one.sources(f"digits/mlp/{series}/0") for series in ("bp/default", "svp/default")}
    hashes |= {one.sources(f"digits/mlp/svp/alignment-{name}/0") for name in ("none", "kl")}
    assert len(hashes) == 4
    assert one.sources(NAME) == provenance.source_hash(provenance.run_sources(one.run(NAME)))
    with pytest.raises(ConfigError, match="svp/other/0.json is not planned"):
        one.sources("digits/mlp/svp/other/0")


def test_costs_are_measured_again_for_another_cell_only(folder):
    def fingerprint(path="cost.quick.steps", value=10):
        return costs.Costs(change(default_config(), path, value)).cells(SWEEP)

    sweeps = costs.Costs(default_config())
    planned = fingerprint()
    assert fingerprint("cost.quick.simulate.cnn", [{"depth": [4, 8]}]) != planned
    older = costs.cells.resolved(sweeps.resolved(SWEEP))
    for cell in older:
        cell["method_options"].pop("draw", None)
    write(costs.record_path(SWEEP), {"cells": older, "source_hash": sweeps.sources(SWEEP)})
    assert fingerprint() == costs.cells.fingerprint(older) != planned
    assert sweeps.resolved(SWEEP)["baseline"] == "bp"
    headlines = {cell["variant"] for cell in older if cell["headline"]}
    assert headlines == {"default", "checkpoint_blocks", "micro_batches_16"}


def test_copies_of_records_are_forgotten_once_the_record_is_there(folder):
    for seed in (0, 1):
        write(f"checkpoints/digits/mlp/bp/default/{seed}.record.json", "{}")
    write(planning.record_path("digits/mlp/bp/default/0"), "{}")
    planning.forget_copies()
    assert [path.name for path in Path("checkpoints").rglob("*.json")] == ["1.record.json"]


def test_thousands_of_runs_are_planned_in_a_moment():
    runs = plan("grid.seed", list(range(4000))).grid
    assert len(runs) == 36000 and runs["digits/cnn/bp/default/3999"]["seed"] == 3999


def test_options_of_the_default_config_are_known():
    """The names of studies are safe whatever is varied."""
    for folder in ("models", "methods"):
        for name in options.names(folder):
            known = options.schema(options.declared(folder, name))["properties"]
            assert all(re.fullmatch("[a-z0-9_]+", key) for key in known)


def test_a_grid_may_leave_tasks_out():
    config = change(default_config(), "grid.leave_out", ["digits/cnn"])
    assert {run["model"] for run in planning.Plan(config).grid.values()} == {"mlp", "vit"}
    with pytest.raises(ConfigError, match="leave_out: digits/resnet is no task of the grid"):
        planning.Plan(change(config, "grid.leave_out", ["digits/resnet"]))


@pytest.mark.parametrize(("name", "tasks"), [("gpu", 5), ("paper", 24)])
def test_the_large_configs_are_planned(name, tasks):
    config = default_config()
    update_config(config, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))
    cells = tasks * len(config["grid"]["method"])
    cells += sum(len(one["tasks"]) for one in config["variants"])
    assert len(planning.Plan(config).grid) == cells * 5
    costs.Costs(config).check()
