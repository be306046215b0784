"""Figures are drawn from the tables alone, for any grid, to the same bytes."""

import importlib
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from builders import completed, diverged, memory_row, write_records

from figures import accuracy, style
from workflow.scripts import collect_memory, collect_runs, summarise, tables

INPUTS = {
    "accuracy": ["runs", "summary"],
    "learning_curves": ["curves"],
    "block_accuracy": ["blocks"],
    "memory": ["memory"],
}


def write_tables(folder, records, memory=()):
    """Write all tables of these records; the folder."""
    output = ["--output-dir", str(folder)]
    folder.mkdir(exist_ok=True)
    collect_runs.main([*write_records(folder, records), *output])
    summarise.main([str(folder / "runs.csv"), *output])
    rows = list(memory) or [memory_row()]
    collect_memory.main(
        [*write_records(folder, [{"torch_version": "2.9.0", "rows": rows}]), *output]
    )
    return folder


def render(figure, folder, name="figure"):
    """Draw a figure of the tables in a folder; its files."""
    files = folder / f"{name}.png", folder / f"{name}.pdf"
    arguments = [str(folder / f"{table}.csv") for table in INPUTS[figure]]
    script = importlib.import_module(f"figures.{figure}")
    script.main([*arguments, f"--png={files[0]}", f"--pdf={files[1]}"])
    return files


def grid(datasets, models, series, seeds):
    """Records of a whole grid; local methods have two blocks."""
    records = []
    for dataset, model, (method, variant), seed in product(datasets, models, series, range(seeds)):
        accuracies = [90.0 + seed] if method == "bp" else [80.0, 89.0 + seed]
        names = {"dataset": dataset, "model": model, "method": method, "variant": variant}
        records.append(completed(accuracies, **names, seed=seed))
    return records


SMALL = grid(["mnist"], ["mlp"], [("bp", "default"), ("svp", "default")], 3)
LOCAL = [("svp", "default"), ("svp", "beta_0"), ("dfa", "default")]
STRESS = [
    *grid(["mnist", "unheard_of"], ["mlp", "cnn", "vit", "resnet"], [("bp", "default")], 1),
    *grid(["mnist"], ["mlp", "cnn"], LOCAL, 2),
    diverged(dataset="unheard_of", model="vit"),
    diverged(dataset="mnist", model="mlp", seed=7),
]
DEPTHS = [
    memory_row(model, method, depth)
    for model in ("mlp", "vit")
    for method in ("bp", "svp")
    for depth in (2, 8)
]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("small"), SMALL, DEPTHS)


@pytest.fixture(scope="module")
def stress(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("stress"), STRESS)


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
@pytest.mark.parametrize("figure", ["accuracy", "learning_curves", "block_accuracy"])
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


def texts(figure):
    """Everything written in a figure."""
    return " ".join(item.get_text() for item in figure.findobj(lambda i: hasattr(i, "get_text")))


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


def test_methods_keep_their_colours():
    few, many = [("svp", "default")], [("dfa", "default"), ("svp", "default"), ("svp", "beta_0")]
    assert style.looks(few)["svp", "default"] == style.looks(many)["svp", "default"]
    looks = style.looks(many)
    assert len({look["color"] for look in looks.values()}) == 3
    assert looks["dfa", "default"] == style.looks(many[:1])["dfa", "default"]


def test_labels_fall_back_to_the_name():
    assert style.label("fashion_mnist") == "Fashion-MNIST"
    assert style.label("unheard_of") == "unheard_of"
    assert style.series_label(("svp", "default")) == "SVP"
    assert style.series_label(("svp", "beta_0")) == "SVP, beta 0"


def test_figures_import_no_torch():
    names = ", ".join(f"figures.{figure}" for figure in INPUTS)
    command = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", command], cwd=root).returncode == 0
