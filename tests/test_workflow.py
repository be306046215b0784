"""The workflow as its users call it, on small configs in a folder of its own."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pandas as pd
import pytest
from snakemake.utils import validate
from suite_copy import BIN, ROOT, TINY, change, copy_suite, default_config, snakemake

pytestmark = pytest.mark.slow

FIGURES = ["accuracy", "learning_curves", "unit_accuracy", "accuracy_flops"]
FIGURES += ["accuracy_memory", "ranks"]
FIGURES += ["memory", "pareto", "projection", "scaling"]
QUESTION = """use rule ablation as weights with:
    input:
        **study("weights", method="svp", beta=[0.5, 1.0, 1]),
    output:
        **study_files("weights"),
    log:
        "logs/ablations/weights.log",
    params:
        question="Is half the weight enough?",
"""


@pytest.fixture
def suite(tmp_path) -> Path:
    """A copy of the suite that a test may change."""
    return copy_suite(tmp_path)


def jobs(printed: str) -> dict[str, int]:
    """Jobs by rule, from the table that a dry run prints."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", printed, re.M)}


def test_the_default_config_leaves_no_default_to_the_schema():
    """Jobs read the config unchecked, without what a check fills in; svp_core fills in options."""
    config = default_config()
    filled = json.loads(json.dumps(config))
    validate(filled, ROOT / "workflow/schemas/config.schema.yaml")
    assert filled.keys() == config.keys()
    for scope in ("quick", "full"):
        assert filled["cost"][scope].keys() == config["cost"][scope].keys()


def test_the_default_grid_is_planned(suite):
    assert jobs(snakemake(suite, "-n"))["train"] == 110  # 45 of the grid


def test_the_smoke_config_is_planned(suite):
    assert jobs(snakemake(suite, "-n", "--configfile", "config/smoke.yaml"))["train"] == 13


def test_the_full_cost_study_is_planned_apart_from_the_grid(suite):
    planned = jobs(snakemake(suite, "-n", "cost"))
    assert planned["simulate"] == 12 and planned["measure"] == 4
    assert planned["draw_full_memory"] == planned["draw_full_scaling"] == 1


def test_all_ablations_train_equal_runs_once(suite):
    """Each has its table and figure; impossible cells are left out with the reason."""
    printed = snakemake(suite, "-n", "ablations")
    names, planned = {path.stem for path in ROOT.glob("workflow/ablations/*.smk")}, jobs(printed)
    assert len(names) >= 12 and names < planned.keys()
    assert 210 <= planned["train"] <= 450
    assert re.search("projection leaves out digits/mlp, svp: .*readout: identity without", printed)


def test_lint_and_format_are_clean(suite):
    assert "good condition" in snakemake(suite, "--lint")
    command = [str(BIN / "snakefmt"), "--check", "Snakefile", "workflow"]
    subprocess.run(command, cwd=ROOT, check=True)


def test_the_slurm_profile_is_found_and_limits_no_jobs(suite):
    assert jobs(snakemake(suite, "-n", "--profile", "slurm"))["train"] == 110  # 45 of the grid


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A copy of the suite in which the tiny grid has run once."""
    folder = copy_suite(tmp_path_factory.mktemp("suite"))
    snakemake(folder, config=TINY)
    return folder


@contextmanager
def edited(path: Path, edit: Callable[[str], str]) -> Iterator[None]:
    """A file of the suite with other contents."""
    before = path.read_text()
    path.write_text(edit(before))
    assert path.read_text() != before
    try:
        yield
    finally:
        path.write_text(before)


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


def test_a_tiny_grid_judges_claims_and_says_what_it_cannot(finished):
    claims = pd.read_csv(finished / "results/tables/claims.csv")
    overall = claims[claims["measurement"] == "all"].set_index("claim")
    assert len(overall) == 19 and overall["figure"].notna().all()
    assert overall.loc["claim 1", "verdict"] == "undecided"
    assert (claims["reason"] == "n = 2, below 5").any()
    assert overall.loc["claim 6", "verdict"] == "not tested here"
    assert overall.loc["question 2", "verdict"] in ("supported", "not supported")
    for name in ("claims", "summary", "cost"):
        assert "tabular" in (finished / f"results/tables/{name}.tex").read_text()


def test_a_run_is_compared_with_a_reference(finished):
    printed = snakemake(
        finished, "compare", "--config", "reference=results", "--configfile", "tiny.yaml"
    )
    assert printed.count("| equal ") == 2
    reference = finished / "reference"
    reference.mkdir()
    table = pd.read_csv(finished / "results/tables/runs.csv")
    table["test_accuracy"] = 1 + table["seed"] / 100  # far below, and close to each other
    table.to_csv(reference / "runs.csv", index=False)
    other = ["compare", "--config", "reference=reference", "--configfile", "tiny.yaml"]
    printed = snakemake(finished, *other, ok=False)
    assert "2 of 2 cells differ: digits/mlp/bp/default; digits/mlp/svp/default" in printed
    assert (finished / "results/compare/compare.csv").exists()
    printed = snakemake(finished, "compare", config=TINY, ok=False)
    assert "config reference: missing" in printed


def test_a_finished_grid_has_nothing_to_do(finished):
    assert "Nothing to be done" in snakemake(finished, config=TINY)


def test_records_are_made_again_whether_or_not_snakemake_knows_how_they_were_made(finished):
    known, aside = finished / ".snakemake", finished / "aside"
    known.rename(aside)
    try:
        same = snakemake(finished, "-n", config=TINY)
        other = change(TINY, "tasks.digits/mlp.recipe.epochs", 1)
        printed = snakemake(finished, "-n", config=other)
    finally:
        shutil.rmtree(known, ignore_errors=True)
        aside.rename(known)
    assert "Nothing to be done" in same and jobs(printed)["train"] == 4
    path = "results/runs/digits/mlp/svp/default/0.json"
    assert f"{path}: config.recipe.epochs is 2, planned 1; it is made again" in printed


def test_records_of_older_code_are_kept_where_that_is_asked_for(finished):
    with edited(finished / "svp_core/models/mlp.py", "{}\nX = 1\n".format):
        printed = snakemake(finished, "-n", config=TINY | {"keep_stale": True})
        assert "train" not in jobs(printed) and "simulate" not in jobs(printed)


def test_a_new_seed_trains_only_the_new_runs(finished):
    printed = snakemake(finished, "-n", config=change(TINY, "grid.seed", [0, 1, 2]))
    assert jobs(printed)["train"] == 2 and "simulate" not in jobs(printed)


def test_a_variant_trains_only_its_own_runs(finished):
    variant = {"name": "no_alignment", "method": "svp", "options": {"alignment": "none"}}
    printed = snakemake(finished, "-n", config=change(TINY, "variants", [variant]))
    assert jobs(printed)["train"] == 2


def test_a_changed_recipe_trains_its_runs_again(finished):
    printed = snakemake(finished, "-n", config=change(TINY, "tasks.digits/mlp.recipe.lr", 0.5))
    assert jobs(printed)["train"] == 4


def test_what_changes_no_number_trains_nothing_again(finished):
    """An option at its default, comments, docstrings, schemas."""
    edits = {
        "svp_core/methods/svp.py": lambda text: text.replace('"""Stoch', '"""St.').replace(
            "    beta: float", '    novel: int = integer(0, "new")  # new\n    beta: float'
        ),
        "svp_core/models/mlp.py": lambda text: f"{text}\n# a comment\n",
        "svp_core/recipe.py": lambda text: f"# a comment\n{text}",
        "svp_core/cost/sweep.schema.yaml": lambda text: f"# a comment\n{text}",
        "svp_core/training/record.schema.yaml": lambda text: f"# a comment\n{text}",
        "workflow/schemas/config.schema.yaml": lambda text: f"# a comment\n{text}",
    }
    with ExitStack() as stack:
        for name, edit in edits.items():
            stack.enter_context(edited(finished / name, edit))
        assert "Nothing to be done" in snakemake(finished, "-n", config=TINY)


@pytest.mark.parametrize(
    ("file", "edit", "trained", "costs"),
    [
        ("methods/svp.py", "{}\nX = 1\n", 2, True),
        ("models/mlp.py", "{}\nX = 1\n", 4, True),
        ("local/alignments/kl.py", "{}\nX = 1\n", 0, False),
    ],
)
def test_changed_code_trains_the_runs_that_it_decides(finished, file, edit, trained, costs):
    with edited(finished / "svp_core" / file, edit.format):
        planned = jobs(snakemake(finished, "-n", config=TINY))
    assert planned.get("train", 0) == trained and ("simulate" in planned) == costs


def test_a_changed_default_trains_the_runs_that_have_it(finished):
    old, new = (f"beta: float = number({value}" for value in ("1.0", "2.0"))
    with edited(finished / "svp_core/methods/svp.py", lambda text: text.replace(old, new)):
        planned = jobs(snakemake(finished, "-n", config=TINY))
    assert planned["train"] == 2 and "simulate" in planned


def test_an_ablation_is_a_file(finished):
    """Its table and figure are made; a run that the grid has, too, is not trained again."""
    path = finished / "workflow/ablations/weights.smk"
    path.write_text(QUESTION)
    try:
        printed = snakemake(finished, "weights", config=TINY)
        assert jobs(printed)["train"] == 1
        again = snakemake(finished, "-n", "weights", "plan_ablations", config=TINY)
    finally:
        path.unlink()
    assert "train" not in jobs(again)
    table = pd.read_csv(finished / "results/ablations/weights.csv")
    assert sorted(zip(table["variant"], table["beta"], strict=True)) == [
        ("beta-0.5", 0.5),
        ("default", 1.0),
    ]
    assert (finished / "results/ablations/weights.png").read_bytes().startswith(b"\x89PNG")
    assert (finished / "results/ablations/weights.pdf").read_bytes().startswith(b"%PDF")


def test_a_plan_forgets_no_record_of_a_run_that_failed(finished):
    """A group that failed left copies of the records that Snakemake has deleted."""
    copies = [finished / f"checkpoints/digits/mlp/bp/default/{seed}.record.json" for seed in (0, 5)]
    for copy in copies:
        copy.touch()
    printed = snakemake(finished, "plan", config=change(TINY, "grid.seed", [0, 1, 5]))
    assert re.search("^2 runs, ", printed, re.M)
    assert [copy.exists() for copy in copies] == [False, True]


def test_the_report_holds_the_figures(finished):
    report = (finished / "results/report.html").read_text()
    for name in FIGURES:
        assert f'id="figure-{name}"' in report
    assert json.loads((finished / "results/config.json").read_text())["grid"] == {
        "dataset": ["digits"],
        "method": ["bp", "svp"],
        **TINY["grid"],
    }
