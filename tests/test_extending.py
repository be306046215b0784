"""What docs/extending.md says of extending the suite, applied to a copy of it and run."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from suite_copy import ROOT, copy_suite, snakemake

pytestmark = pytest.mark.slow

EXTENSIONS = (ROOT / "docs/extending.md").read_text()
BLOCKS = dict(re.findall(r"```\w+\n# (\S+)\n(.*?)```", EXTENSIONS, re.S))
FIGURE_LINE = re.search(r'`("parameters": .*?)`', EXTENSIONS)[1]
CONFIG = ["--configfile", "config/parity.yaml"]
COSTS = {  # of every rule, as little as there is
    "cost": {
        "quick": {
            "simulate": {"mlp": [{"depth": [2]}], "cnn": [], "resnet": [], "vit": []},
            "measure": {"mlp": []},
        }
    }
}


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A copy of the suite with all extensions, in which the grid and the ablation have run."""
    folder = copy_suite(tmp_path_factory.mktemp("suite"))
    before = {path.relative_to(folder): path.read_bytes() for path in files(folder)}
    for name, text in BLOCKS.items():
        assert not (folder / name).exists(), f"{name} is there already"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    rules = folder / "workflow/rules/figures.smk"
    rules.write_text(
        rules.read_text().replace("FIGURES = {\n", f"FIGURES = {{\n    {FIGURE_LINE}\n")
    )
    changed = [name for name, text in before.items() if (folder / name).read_bytes() != text]
    assert changed == [Path("workflow/rules/figures.smk")]
    (folder / "costs.yaml").write_text(json.dumps(COSTS))
    targets = ["results/figures/parameters.png", "results/figures/unit_accuracy.png"]
    targets += ["results/tables/summary.csv", "readout_alignment"]
    snakemake(folder, *CONFIG, "costs.yaml", "--", *targets)
    return folder


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_every_kind_of_extension_is_shown():
    folders = {str(Path(name).parent) for name in BLOCKS}
    assert folders == {
        "config",
        "figures",
        "svp_core/datasets",
        "svp_core/local/alignments",
        "svp_core/local/projections",
        "svp_core/local/readouts",
        "svp_core/methods",
        "svp_core/metrics",
        "svp_core/models",
        "workflow/ablations",
    }


@pytest.mark.parametrize("name", [name for name in BLOCKS if name.endswith(".py")])
def test_a_block_is_formatted_and_explained(name):
    assert ast.get_docstring(ast.parse(BLOCKS[name]))
    command = [sys.executable, "-m", "ruff", "format", "--check", "--stdin-filename", name, "-"]
    done = subprocess.run(command, cwd=ROOT, input=BLOCKS[name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_method_model_dataset_and_projection_are_trained(extended):
    runs = pd.read_csv(extended / "results/tables/runs.csv")
    assert set(runs["method"]) == {"bp", "hsic", "svp"} and set(runs["model"]) == {"gated"}
    assert set(runs["dataset"]) == {"parity"} and set(runs["status"]) == {"completed"}
    runs = runs.set_index(["method", "variant"])
    assert runs.loc[("hsic", "default"), "method_options.label_weight"] == 50.0
    assert runs.loc[("svp", "uniform"), "method_options.projection"] == "uniform"
    assert (runs["test_accuracy"] > 60).all()


def test_a_metric_is_in_the_table_of_metrics(extended):
    metrics = pd.read_csv(extended / "results/tables/metrics.csv")
    rows = metrics[metrics["metric"] == "unit_sparsity"]
    assert set(rows["method"]) == {"bp", "hsic", "svp"}
    assert (rows.groupby("method")["unit"].nunique() == 3).all()
    assert rows["value"].between(0, 100).all()


def test_an_option_is_refused_by_name(extended):
    (extended / "bad.yaml").write_text(
        "tasks:\n  parity/gated: {recipe: {micro_batches: 2}, hsic: {label_weight: 0}}\n"
    )
    printed = snakemake(extended, "-n", *CONFIG, "bad.yaml", ok=False)
    assert "label_weight: 0 is less than or equal to the minimum of 0" in printed
    (extended / "bad.yaml").write_text("tasks:\n  parity/gated: {recipe: {micro_batches: 2}}\n")
    printed = snakemake(extended, "-n", *CONFIG, "bad.yaml", ok=False)
    assert "method_options.label_weight: a batch is compared as a whole" in printed


def test_an_ablation_has_a_table_a_figure_and_a_caption(extended):
    table = pd.read_csv(extended / "results/ablations/readout_alignment.csv")
    cells = set(zip(table["readout"], table["alignment"], strict=True))
    assert cells == {
        (readout, alignment)
        for readout in ("codebook", "prototypes")
        for alignment in ("none", "total_variation")
    }
    assert (table["status"] == "completed").all()
    picture = extended / "results/ablations/readout_alignment.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(list(extended.glob("results/runs/parity/gated/svp/*/0.json"))) == 1 + len(cells)


def test_a_figure_is_drawn(extended):
    assert (extended / "results/figures/parameters.png").read_bytes().startswith(b"\x89PNG")


def test_a_method_costs_what_its_step_takes(extended):
    command = ["-m", "svp_core.cost.simulate", "name=mlp", "model=mlp", "series=[{method: hsic}]"]
    output = extended / "hsic.json"
    command += ["sweeps=[{depth: [2]}]", "--output", str(output)]
    subprocess.run([sys.executable, *command], cwd=extended, check=True, capture_output=True)
    values = {row["quantity"]: row["value"] for row in json.loads(output.read_text())["rows"]}
    assert values["flops"] > 0 and values["total"] > values["parameters"] > 0


def test_an_installed_package_imports_outside_the_checkout(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for part in ("svp_core", "figures"):
        shutil.copytree(ROOT / part, source / part)
    for part in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / part, source / part)
    installed = tmp_path / "installed"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--target", str(installed), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    code = "import svp_core.train, svp_core.cost.simulate, figures.accuracy, figures.ablation;"
    code += "from svp_core.config import resolve; from svp_core import tables;"
    code += "resolve(dict(dataset='digits', model='vit', method='sll', seed=0));"
    code += "print(svp_core.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith(str(installed)), done.stderr


def sections(text: str) -> dict[str, str]:
    """The sections of the reference by title."""
    return dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.S | re.M))


def test_the_reference_of_options_is_that_of_the_code():
    command = [sys.executable, "-m", "svp_core.config"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    written = sections((ROOT / "docs/options.md").read_text())
    derived = sections(printed)
    assert len(written) > 20
    # a file of somebody's own need not be in it
    assert written == {title: derived[title] for title in written}
