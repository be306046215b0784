"""Figures are drawn from the tables alone, for any grid, to the same bytes."""

import importlib
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import torch
from builders import completed, cost_rows, diverged, write_records
from made_costs import EVERY_COST, OTHER_COST, cost_table, texts

from figures import (
    accuracy,
    accuracy_flops,
    accuracy_memory,
    learning_curves,
    spent,
    unit_accuracy,
)
from svp_core import tables
from svp_core.spectrum import gram
from svp_core.training.evaluation import packed
from workflow.scripts import collect_representations, collect_runs, summarise

INPUTS = {
    "accuracy": ["runs", "summary"],
    "learning_curves": ["curves"],
    "unit_accuracy": ["metrics"],
    "accuracy_flops": ["runs"],
    "accuracy_memory": ["runs"],
    "probe": ["metrics"],
    "gradient_alignment": ["metrics"],
    "posterior_agreement": ["metrics"],
    "cka": ["cka"],
    "pca": ["pca"],
    "memory": ["cost"],
    "pareto": ["cost"],
    "projection": ["cost"],
    "scaling": ["cost"],
}


def write_tables(folder, records, cost=()):
    """Write all tables of these records; the folder."""
    output = ["--output-dir", str(folder)]
    folder.mkdir(exist_ok=True)
    collect_runs.main([*write_records(folder, records), *output])
    collect_representations.main([*write_records(folder, records), "--baseline", "bp", *output])
    summarise.main([str(folder / "runs.csv"), "--baseline", "bp", *output])
    rows = cost_table(list(cost) or cost_rows())
    tables.write({folder / "cost.csv": tables.csv_bytes(rows)})
    return folder


def render(figure, folder, name="figure"):
    """Draw a figure of the tables in a folder; its files."""
    files = folder / f"{name}.png", folder / f"{name}.pdf"
    arguments = [str(folder / f"{table}.csv") for table in INPUTS[figure]]
    script = importlib.import_module(f"figures.{figure}")
    script.main([*arguments, f"--png={files[0]}", f"--pdf={files[1]}"])
    return files


def grid(datasets, models, series, seeds):
    """Records of a whole grid; local methods have two units."""
    records = []
    for dataset, model, (method, variant), seed in product(datasets, models, series, range(seeds)):
        accuracies = [90.0 + seed] if method == "bp" else [80.0, 89.0 + seed]
        names = {"dataset": dataset, "model": model, "method": method, "variant": variant}
        records.append(with_insides(completed(accuracies, **names, seed=seed)))
    return records


def with_insides(record):
    """The record with what figures of the inside read; the network of one unit has two blocks."""
    several = len(record["curves"][-1]["unit_accuracy"]) > 1
    generator = torch.Generator().manual_seed(record["config"]["seed"])
    activations = [torch.randn(20, 5, generator=generator) for _ in range(2)]
    record["metrics"] |= {"unit_probe": [85.0, 91.0]}
    if several:
        record["metrics"] |= {"unit_gradient_cosine": [-0.2, 1.0], "unit_agreement": [None, 95.0]}
        record["metrics"] |= {"unit_bhattacharyya": [None, 0.1]}
    record["representations"] = {
        "labels": [index % 4 for index in range(20)],
        "grams": [packed(gram(one)) for one in activations],
    }
    return record


SMALL = grid(["mnist"], ["mlp"], [("bp", "default"), ("svp", "default")], 3)
LOCAL = [("svp", "default"), ("svp", "beta_0"), ("dfa", "default")]
STRESS = [
    *grid(["mnist", "unheard_of"], ["mlp", "cnn", "vit", "resnet"], [("bp", "default")], 1),
    *grid(["mnist"], ["mlp", "cnn"], LOCAL, 2),
    diverged(dataset="unheard_of", model="vit"),
    diverged(dataset="mnist", model="mlp", seed=7),
]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("small"), SMALL, EVERY_COST)


@pytest.fixture(scope="module")
def stress(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("stress"), STRESS, [*EVERY_COST, *OTHER_COST])


@pytest.mark.parametrize("figure", INPUTS)
def test_figure_is_written_twice_with_equal_bytes(small, figure):
    first, second = render(figure, small, "first"), render(figure, small, "second")
    assert [path.read_bytes()[:4] for path in first] == [b"\x89PNG", b"%PDF"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("figure", INPUTS)
def test_figure_copes_with_missing_cells_variants_and_divergence(stress, figure):
    assert all(path.stat().st_size > 10_000 for path in render(figure, stress))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("figure", ["accuracy", "learning_curves", "unit_accuracy"])
def test_figure_copes_with_nothing_but_divergence(tmp_path, figure):
    files = render(figure, write_tables(tmp_path, [diverged(), diverged(seed=1)]))
    assert all(file.stat().st_size > 1000 for file in files)


@pytest.mark.parametrize("figure", INPUTS)
def test_wrong_table_names_the_file_and_the_column(small, tmp_path, figure):
    for table in INPUTS[figure]:
        header, *rows = (small / f"{table}.csv").read_text().splitlines(keepends=True)
        (tmp_path / f"{table}.csv").write_text(header.replace("model", "modell") + "".join(rows))
    with pytest.raises(SystemExit, match=f"{INPUTS[figure][0]}.csv: missing column model"):
        render(figure, tmp_path)
    assert not list(tmp_path.glob("figure.*"))


def test_table_without_rows_is_named(small, tmp_path):
    header = (small / "curves.csv").read_text().splitlines()[0]
    (tmp_path / "curves.csv").write_text(header + "\n")
    with pytest.raises(SystemExit, match="curves.csv: no rows"):
        render("learning_curves", tmp_path)


def draw_accuracy(folder):
    """The accuracy figure, unsaved."""
    names = INPUTS["accuracy"]
    return accuracy.draw(*(tables.read(folder / f"{name}.csv", name) for name in names))


def test_accuracy_states_n_the_interval_and_divergence(stress):
    written = texts(draw_accuracy(stress))
    assert "1 of 3\ndiverged" in written
    assert "1 of 1\ndiverged" in written
    assert "(n = 1 to 2)" in written
    assert "95 % Student t interval" in " ".join(written.split())


def test_accuracy_cuts_wide_intervals_and_says_so(tmp_path):
    records = [completed([end], seed=seed) for seed, end in enumerate([80.0, 90.0])]
    figure = draw_accuracy(write_tables(tmp_path, records))
    low, high = figure.axes[0].get_ylim()
    assert 70 < low < 80
    assert 90 < high <= 100
    assert "Arrowhead" in texts(figure)


def test_accuracy_against_flops_draws_seeds_and_their_mean():
    runs = pd.DataFrame(
        {"dataset": "mnist", "model": "mlp", "method": "bp", "variant": "default",
         "seed": [0, 1, 2], "status": ["completed", "completed", "diverged"],
         "test_accuracy": [90.0, 94.0, None], "train_flops": [100, 300, 50]}
    )  # fmt: skip
    figure = accuracy_flops.draw(runs)
    seeds, mean = (drawn.get_offsets().tolist() for drawn in figure.axes[0].collections)
    assert (seeds, mean) == ([[100, 90], [300, 94]], [[200, 92]])
    assert "(n = 2)" in texts(figure)
    assert "1 diverged" in " ".join(texts(figure).split())


def test_the_front_has_the_means_that_none_is_above_for_as_little():
    rows = [("bp", 40, 98), ("svp", 10, 95), ("dfa", 20, 94), ("fa", 40, 97), ("sff", 50, 98)]
    part = pd.DataFrame(rows, columns=["method", "peak_memory_bytes", "test_accuracy"])
    part = part.assign(variant="default")
    found = spent.front(part, "peak_memory_bytes")
    assert [method for method, _ in found.index] == ["svp", "bp"]
    runs = part.assign(dataset="mnist", model="mlp", seed=0, status="completed")
    runs["peak_memory_bytes"] *= 2**20
    runs["peak_memory_source"] = "tensors"
    figure = accuracy_memory.draw(runs)
    line = figure.axes[0].lines[0]
    assert line.get_ydata()[1:-1].tolist() == [95, 98] and line.get_xdata()[1] == 10
    assert "BP 98.00 % at 1.00 of BP's memory; SVP 95.00 % at 0.25 of BP's memory" in (
        accuracy_memory.describe(runs)
    )


def test_memory_that_an_allocator_and_tensors_told_is_drawn_as_that_of_tensors():
    first = {"dataset": "mnist", "model": "mlp", "method": "bp", "variant": "default", "seed": 0}
    first |= {"status": "completed", "test_accuracy": 90.0, "peak_memory_source": "tensors"}
    first |= {"peak_memory_bytes": 2**20, "tensor_bytes": 2**20}
    on_gpu = {"method": "svp", "peak_memory_source": "allocator", "peak_memory_bytes": 2**24}
    runs = pd.DataFrame([first, first | on_gpu])
    assert "SVP 90.00 % at 1.00 of BP's memory" in accuracy_memory.describe(runs)
    assert "Peak of a step's tensors (MiB)" in texts(accuracy_memory.draw(runs))
    alone = runs[1:]
    assert "Peak memory of a step (MiB)" in texts(accuracy_memory.draw(alone))


def test_what_is_far_below_all_others_flattens_no_axis_and_is_counted():
    accuracies = {"bp": 98.0, "svp": 98.0, "dfa": 97.9, "fa": 97.0, "sff": 98.1, "pepita": 20.0}
    rows = [
        {"dataset": "mnist", "model": model, "method": method, "variant": "default", "seed": 0}
        | {"status": "completed", "test_accuracy": accuracy, "peak_memory_bytes": 2**20 + place}
        | {"peak_memory_source": "tensors"}
        for model in ("mlp", "cnn")
        for place, (method, accuracy) in enumerate(accuracies.items())
        if (model, method) != ("cnn", "pepita")
    ]
    figure = accuracy_memory.draw(pd.DataFrame(rows))
    assert all(axes.get_ylim()[0] > 96 for axes in figure.axes)
    assert [len(axes.collections) for axes in figure.axes] == [5, 5]
    assert "Far below the axes: 1 means" in " ".join(texts(figure).split())


def test_learning_curves_draw_seeds_and_their_mean():
    curves = pd.DataFrame(
        {"dataset": "mnist", "model": "mlp", "method": "dfa", "variant": "default",
         "status": "completed", "seed": [0, 0, 1, 1], "epoch": [1, 2, 1, 2],
         "test_accuracy": [50.0, 70.0, 60.0, 90.0]}
    )  # fmt: skip
    (axes,) = learning_curves.draw(curves).get_axes()
    drawn = [line.get_ydata().tolist() for line in axes.lines]
    assert drawn == [[50, 70], [60, 90], [55, 80]]


def units_of(method, accuracies, **changes):
    """Rows of the table of metrics: accuracies of the units after an epoch."""
    place = {"dataset": "mnist", "model": "mlp", "method": method, "variant": "default", "seed": 0}
    place |= {"epoch": 1, "units": len(accuracies), "metric": "unit_accuracy"} | changes
    return [place | {"unit": unit, "value": value} for unit, value in enumerate(accuracies, 1)]


def test_a_method_of_one_unit_is_a_horizontal_line_whatever_its_name():
    rows = [
        *units_of("svp", [10.0, 20.0]),
        *units_of("svp", [70.0, 80.0], epoch=2),
        *units_of("svp", [0.5, 0.6], epoch=2, metric="unit_nll"),
        *units_of("sgd_bp", [90.0]),
        *units_of("sgd_bp", [92.0], seed=1),
    ]
    figure = unit_accuracy.draw(tables.from_rows(rows, "metrics"))
    (axes,) = figure.get_axes()
    assert sorted(list(line.get_ydata()) for line in axes.lines) == [[70, 80], [70, 80], [91, 91]]
    (band,) = axes.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == (90, 92)
    assert "SGD BP, whole network" in texts(figure)


def test_figures_import_no_torch():
    scripts = ", ".join(
        f"figures.{figure}" for figure in [*INPUTS, "ablation", "collapse", "ranks"]
    )
    command = f"import sys, {scripts}; sys.exit(bool({{'torch', 'workflow'}} & set(sys.modules)))"
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", command], cwd=root).returncode == 0


def test_a_matplotlibrc_in_the_working_directory_changes_nothing(small, tmp_path):
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\nfont.size: 30\n")
    script, made = Path(learning_curves.__file__), [tmp_path / "a.png", tmp_path / "a.pdf"]
    command = [sys.executable, script, small / "curves.csv", "--png", made[0], "--pdf", made[1]]
    environment = os.environ | {"PYTHONPATH": str(script.parents[1])}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    for path, other in zip(made, render("learning_curves", small), strict=True):
        assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("figure", [*INPUTS, "ablation", "collapse", "ranks", "reach"])
def test_a_figure_says_what_it_asks_in_its_first_line(figure):
    first, _, rest = importlib.import_module(f"figures.{figure}").__doc__.partition("\n\n")
    assert first.endswith(".") and "\n" not in first and rest.strip()
