"""The workflow as its users call it, on small configs in a folder of its own."""

import json
import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
import yaml
from snakemake.utils import validate
from suite_copy import BIN, ROOT, TINY, change, copy_suite, snakemake

FIGURES = ["accuracy", "learning_curves", "block_accuracy", "accuracy_flops"]
FIGURES += ["memory", "pareto", "projection", "scaling"]


@pytest.fixture
def suite(tmp_path) -> Path:
    """A copy of the suite that a test may change."""
    return copy_suite(tmp_path)


def jobs(printed: str) -> dict[str, int]:
    """Jobs by rule, from the table that a dry run prints."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", printed, re.M)}


def test_the_default_config_leaves_no_default_to_the_schema():
    """Jobs read the config unchecked, without what a check fills in; svp_core fills in options."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    filled = json.loads(json.dumps(config))
    validate(filled, ROOT / "workflow/schemas/config.schema.yaml")
    assert filled.keys() == config.keys()
    for scope in ("quick", "full"):
        assert filled["cost"][scope].keys() == config["cost"][scope].keys()


def test_the_default_grid_has_eighteen_runs(suite):
    assert jobs(snakemake(suite, "-n"))["train"] == 18


def test_the_smoke_config_is_planned(suite):
    assert jobs(snakemake(suite, "-n", "--configfile", "config/smoke.yaml"))["train"] == 6


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("grid.sede", [0], "'sede' was unexpected"),
        ("grid.seed", [0, "one"], r"\['grid'\]\['seed'\]\[1\]"),
        ("grid.method", ["bp", "backprop"], "method: 'backprop' is not one of"),
        ("grid.dataset", ["mnisst"], "recipes.mnisst.mlp: missing, but the grid asks for it"),
        ("models.digits.mlp.depth", 0, "models.digits.mlp.depth: 0 is less than the minimum of 1"),
        ("methods.digits.mlp.svp", {"beta": -1}, "methods.digits.mlp.svp.beta: -1 is less than"),
        ("methods.digits.mlp.svvp", {}, "methods.digits.mlp.method: 'svvp' is not one of"),
        ("models.digits.mpl", {}, "models.digits.model: 'mpl' is not one of"),
        ("recipes.mnsit", {}, "recipes.dataset: 'mnsit' is not one of"),
        ("target_accuracy.mnsit", [90], "target_accuracy.dataset: 'mnsit' is not one of"),
        ("recipes.digits.mlp.lr", "fast", r"\['recipes'\]\['digits'\]\['mlp'\]\['lr'\]"),
        ("recipes.digits.mlp.batch_size", 9999, "recipe.batch_size: 9999 exceeds"),
        ("ablations", [{"variant": "default", "method": "svp"}], r"\['ablations'\]\[0\]"),
        (
            "ablations",
            [{"variant": "wide", "method": "bp", "method_options": {"beta": 0}}],
            "digits/mlp/bp/wide: .*'beta' was unexpected",
        ),
        (
            "ablations",
            [{"variant": "x", "method": "svp"}] * 2,
            "digits/mlp/svp/x/0 is planned twice",
        ),
        ("cost.quick.simulate.mlp", [{"depth": [0]}], r"\['depth'\]\[0\]"),
        ("cost.full.measure.mpl", [{}], "config cost.full.measure.mpl: not in cost.models"),
        ("cost.models.cnn.image_size", 2, "cost.full.simulate.cnn: .* 2 halvings need images"),
        ("cost.series", [{"method": "backprop"}], "config cost.*: 'backprop' is not one of"),
        ("cost.models.mlp.model_options", {"widht": 5}, "cost.quick.*model_options.*'widht'"),
    ],
)
def test_a_bad_config_stops_before_any_job(suite, path, value, message):
    printed = snakemake(suite, config=change(TINY, path, value), ok=False)
    assert re.search(message, printed), printed
    assert not (suite / "results").exists() and not (suite / "logs").exists()


def test_the_full_cost_study_is_planned_apart_from_the_grid(suite):
    planned = jobs(snakemake(suite, "-n", "cost"))
    assert planned["simulate"] == 12 and planned["measure"] == 4 and planned["draw_full_cost"] == 4


def test_lint_and_format_are_clean(suite):
    assert "good condition" in snakemake(suite, "--lint")
    command = [str(BIN / "snakefmt"), "--check", "Snakefile", "workflow"]
    subprocess.run(command, cwd=ROOT, check=True)


def test_the_slurm_profile_is_found_and_limits_no_jobs(suite):
    assert jobs(snakemake(suite, "-n", "--profile", "slurm"))["train"] == 18


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A copy of the suite in which the tiny grid has run once."""
    folder = copy_suite(tmp_path_factory.mktemp("suite"))
    snakemake(folder, config=TINY)
    return folder


def test_a_tiny_grid_gives_tables_and_figures(finished):
    runs = pd.read_csv(finished / "results/tables/runs.csv")
    assert len(runs) == 4
    assert set(runs["method"]) == {"bp", "svp"} and set(runs["status"]) == {"completed"}
    parquet = pd.read_parquet(finished / "results/tables/runs.parquet")
    assert list(parquet) == list(runs) and len(parquet) == len(runs)
    summary = pd.read_csv(finished / "results/tables/summary.csv")
    assert list(summary["n"]) == [2, 2]
    cost = pd.read_csv(finished / "results/tables/cost.csv")
    assert set(cost["source"]) == {"simulated", "counted", "measured"}
    assert set(cost["depth"].dropna()) == {2, 4} and set(cost["dataset"].dropna()) == {"digits"}
    for name in FIGURES:
        assert (finished / f"results/figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (finished / f"results/figures/{name}.pdf").read_bytes().startswith(b"%PDF")
    assert not list(finished.glob("checkpoints/**/*.pt"))
    log = (finished / "logs/runs/digits/mlp/svp/default/0.log").read_text()
    assert "epoch 1/2" in log and "epoch 2/2" in log


def test_a_finished_grid_has_nothing_to_do(finished):
    assert "Nothing to be done" in snakemake(finished, config=TINY)


def test_a_new_seed_trains_only_the_new_runs(finished):
    printed = snakemake(finished, "-n", config=change(TINY, "grid.seed", [0, 1, 2]))
    assert jobs(printed)["train"] == 2 and "simulate" not in jobs(printed)


def test_an_ablation_trains_only_its_own_runs(finished):
    options = {"variant": "no_alignment", "method": "svp", "method_options": {"alignment": "none"}}
    printed = snakemake(finished, "-n", config=change(TINY, "ablations", [options]))
    assert jobs(printed)["train"] == 2


def test_a_changed_recipe_trains_its_runs_again(finished):
    printed = snakemake(finished, "-n", config=change(TINY, "recipes.digits.mlp.lr", 0.5))
    assert jobs(printed)["train"] == 4


@pytest.mark.parametrize(
    ("file", "trained"), [("methods/svp.py", 2), ("models/mlp.py", 4), ("models/vit.py", 0)]
)
def test_changed_sources_train_the_runs_that_they_decide(finished, file, trained):
    path = finished / "svp_core" / file
    source = path.read_text()
    path.write_text(f"{source}\n# changed\n")
    try:
        assert jobs(snakemake(finished, "-n", config=TINY)).get("train", 0) == trained
    finally:
        path.write_text(source)


def test_a_plan_forgets_no_record_of_a_run_that_failed(finished):
    """A group that failed left copies of the records that Snakemake has deleted."""
    copies = [finished / f"checkpoints/digits/mlp/bp/default/{seed}.record.json" for seed in (0, 5)]
    for copy in copies:
        copy.touch()
    snakemake(finished, "plan", config=change(TINY, "grid.seed", [0, 1, 5]))
    assert [copy.exists() for copy in copies] == [False, True]


def test_the_report_holds_the_figures(finished):
    report = (finished / "results/report.html").read_text()
    for name in FIGURES:
        assert f"{name}.png" in report
    assert json.loads((finished / "results/config.json").read_text())["grid"] == {
        "dataset": ["digits"],
        "method": ["bp", "svp"],
        **TINY["grid"],
    }


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
    config = change(TINY, "recipes.digits.mlp.epochs", 100_000)
    (suite / "long.yaml").write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        [*command, "--configfile", "long.yaml"],
        cwd=suite,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        while process.poll() is None and not (log.exists() and "epoch 1/" in log.read_text()):
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGTERM)
        printed, _ = process.communicate(timeout=60)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert "exit status 75" in printed and (suite / f"checkpoints/{run}.pt").exists(), printed
