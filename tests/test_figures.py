"""Figures are drawn from the tables alone, for any grid, to the same bytes."""

import importlib
import os
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from builders import completed, cost_rows, diverged, times, write_records

from figures import (
    accuracy,
    accuracy_flops,
    learning_curves,
    memory,
    pareto,
    projection,
    scaling,
    style,
    unit_accuracy,
)
from svp_core import tables
from svp_core.tables import sweeps
from workflow.scripts import collect_runs, summarise

INPUTS = {
    "accuracy": ["runs", "summary"],
    "learning_curves": ["curves"],
    "unit_accuracy": ["metrics"],
    "accuracy_flops": ["runs"],
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
    summarise.main([str(folder / "runs.csv"), "--baseline", "bp", *output])
    rows = cost_table(list(cost) or cost_rows())
    tables.write({folder / "cost.csv": tables.csv_bytes(rows)})
    return folder


def cost_table(rows):
    """A table of cost of these rows, each once."""
    return tables.from_rows({str(row): row for row in rows}.values(), "cost")


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
SVP, CODEBOOK = ("svp", "default"), ("svp", "codebook")
SERIES = [("bp", "default"), ("bp", "checkpoint_blocks"), ("bp", "fused"), SVP]
COST = [
    row for series in SERIES for depth in (2, 4, 8) for row in cost_rows(series=series, depth=depth)
]


def measured(depth=4, device="CPU", series=None, **sizes):
    """Times of each series, each of its place, and the memory they need."""
    return [
        row
        for place, one in enumerate(SERIES if series is None else series, start=1)
        for values, where in ((times(place), device), ({"total": 100 / place}, None))
        for row in cost_rows("mlp", one, values, where, depth=depth, **sizes)
    ]


def projected():
    """A sweep of d0 that breaks even at 150 in FLOPs, at 25 in time, beside other sizes."""
    size = {"width": 300}
    rows = [*cost_rows(values={"flops": 1000}, **size), *cost_rows(values={"flops": 1}, depth=7)]
    for d0, flops, ratio in ((0, 700, 0.75), (100, 900, 1.75), (200, 1100, 2.0)):
        rows += cost_rows(series=CODEBOOK, values={"flops": flops}, d0=d0, **size)
        rows += cost_rows(series=CODEBOOK, values=times(ratio), device="CPU", d0=d0, **size)
    return [*rows, *cost_rows(series=("svp", "d0_512"), values={"flops": 9}, d0=512, **size)]


WIDTHS = [row for width in (100, 200, 400) for row in cost_rows(width=width, depth=3)]
EVERY_COST = [*COST, *measured(batch=32), *projected(), *WIDTHS]
ELSEWHERE = cost_rows(series=CODEBOOK, values=times(1), device="GPU", d0=0, width=300)
OTHER_COST = [
    *cost_rows("unheard_of", ("dfa", "default"), {"total": 1}, width=None),
    *(row for depth in (1, 2) for row in cost_rows("vit", ("svp", "beta_0"), depth=depth)),
    {**cost_rows(values={"total": 1})[0], "value": None, "depth": None},
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


def lines(axes, look):
    """Points of the lines of a panel that have the colour and marker of this look."""
    return [
        list(map(tuple, line.get_xydata()))
        for line in axes.lines
        if (line.get_color(), line.get_marker()) == (look["color"], look["marker"])
    ]


def test_sweep_leaves_out_other_sweeps_and_trainings():
    rows = [
        *(row for depth in (2, 4, 8) for row in cost_rows(depth=depth)),
        *(row for width in (100, 200) for row in cost_rows(width=width)),
        *(row for depth in (2, 4) for row in cost_rows(depth=depth, batch=7)),
        *(row for d0 in (1, 2, 3) for row in cost_rows(series=CODEBOOK, depth=4, d0=d0)),
        *(
            row
            for d0 in (5, 6)
            for depth in (2, 4)
            for row in cost_rows(series=SVP, depth=depth, d0=d0)
        ),
        {**cost_rows(depth=16)[0], "quantity": "total", "dataset": "mnist"},
    ]
    cost = cost_table([row for row in rows if row["quantity"] == "total"])
    found = sweeps.sweep(sweeps.of_steps(cost, "total"), "depth")["mlp"]
    assert sorted(found["depth"]) == [2, 4, 8]
    assert set(found["batch"]) == {64}
    assert set(found["method"]) == {"bp"}
    assert not sweeps.sweep(sweeps.of_steps(cost, "total"), "depth", least=4)


def test_memory_bars_and_lines_are_those_of_the_table():
    cost = cost_table([*COST, *cost_rows(depth=99, batch=1), *cost_rows("vit", depth=3)])
    bars, total, saved = memory.draw(cost).get_axes()
    widths = [patch.get_width() * style.MIB for patch in bars.patches]
    ends = [patch.get_x() + patch.get_width() for patch in bars.patches]
    kinds = len(sweeps.KINDS)
    for place, (method, variant) in enumerate(SERIES):
        size = {"method": method, "variant": variant, "model": "mlp", "batch": 64}
        rows = style.pick(cost, depth=8, **size).drop_duplicates("quantity").set_index("quantity")
        assert widths[kinds * place :][:kinds] == pytest.approx(
            [rows["value"][kind] for kind in sweeps.KINDS]
        )
        assert ends[kinds * place + kinds - 1] * style.MIB == pytest.approx(rows["value"]["total"])
    drawn = lines(saved, style.looks(cost)["bp", "default"])
    assert drawn == [[(depth, 64 * 100 * depth / style.MIB) for depth in (2, 4, 8)]]
    assert len(total.lines) == 2  # the headlines, BP and SVP


def test_memory_draws_all_curves_of_a_model_without_headlines():
    rows = [
        row
        for depth in (2, 4)
        for one in SERIES
        for row in cost_rows(series=one, depth=depth, headlines=())
    ]
    _, total, _ = memory.draw(cost_table(rows)).get_axes()
    assert len(total.lines) == len(SERIES)


def test_memory_bars_are_of_the_largest_depth_that_most_series_have():
    cost = cost_table([*COST, *cost_rows(depth=1000)])
    assert memory.draw(cost).get_axes()[0].get_title() == "MLP, depth 8"


def test_pareto_draws_time_against_memory_and_its_front():
    cost = cost_table([*measured(), *measured(batch=7, series=SERIES[:3])])
    (axes,) = pareto.draw(cost).get_axes()
    x, y = (100 / 3 / style.MIB, 3)
    assert lines(axes, style.looks(cost)[SERIES[2]]) == [[(pytest.approx(x), y)]]
    front = pareto.front(pd.DataFrame({"memory": [3, 1, 2, 2], "step_time_ratio": [1, 3, 4, 2]}))
    assert list(front.index) == [1, 3, 0]


def test_pareto_prefers_allocated_memory_and_leaves_out_a_sweep_of_d0():
    rows = measured(device="GPU")
    for one in SERIES:
        rows += cost_rows("mlp", one, {"allocated": 2**20, "reserved": 1}, "GPU", depth=4)
    for d0 in (1, 2, 3):
        rows += cost_rows("mlp", CODEBOOK, times(1) | {"allocated": 1}, "GPU", depth=4, d0=d0)
    figure = pareto.draw(cost_table(rows))
    medians = [line.get_xydata()[0] for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert [x for x, _ in medians] == [1.0] * len(SERIES)
    assert "allocated by CUDA" in texts(figure)


def test_any_method_may_be_the_baseline():
    methods = {"bp": "sgd_bp", "svp": "dfa"}
    rows = [
        row | {"method": methods[row["method"]], "baseline": "sgd_bp"}
        for row in [*projected(), *measured(batch=32)]
    ]
    cost = cost_table(rows)
    assert "that of SGD BP" in texts(pareto.draw(cost))
    written = texts(projection.draw(cost))
    assert "FLOPs / those of SGD BP" in written and "d0 = 150" in written


def test_projection_prints_where_the_curves_break_even():
    cost = cost_table(projected())
    left, right = projection.draw(cost).get_axes()
    look = style.looks(cost)[CODEBOOK]
    assert lines(left, look) == [[(0, 0.7), (100, 0.9), (200, 1.1)]]
    assert lines(right, look) == [[(0, 0.75), (100, 1.75), (200, 2.0)]]
    assert [text.get_text() for text in left.texts] == ["d0 = 150"]
    assert [text.get_text() for text in right.texts] == ["d0 = 25"]
    assert left.get_xlim() == right.get_xlim()


def test_break_even_on_a_point_is_found_once():
    assert projection.break_evens(pd.Series({1: 0.5, 2: 1.0, 4: 3.0})) == [2.0]


def test_scaling_prints_slopes_of_the_sweep_alone():
    rows = [*WIDTHS, *(row for width in (50, 800) for row in cost_rows(width=width, depth=2))]
    rows += [
        row for width in (1, 2, 4) for row in cost_rows(series=SERIES[2], width=width, depth=3)
    ]
    figure = scaling.draw(cost_table(rows))
    _, flops = figure.axes  # memory above; no panel of what was not swept
    assert list(flops.lines[0].get_xdata()) == [100, 200, 400]
    counted = [6.0 * 64 * 3 * width**2 for width in (100, 200, 400)]
    assert flops.lines[0].get_ydata() * 1e9 == pytest.approx(counted)
    assert len(flops.lines) == 1
    assert [text.get_text() for text in flops.texts] == ["2.00"]
    assert "depth 3" in texts(figure).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    "script, rows",
    [
        (pareto, [*measured(), *measured(device="GPU", batch=7)]),
        (projection, [*projected(), *ELSEWHERE]),
        (
            scaling,
            [
                row
                for batch, device in ((1, "CPU"), (2, "CPU"), (4, "GPU"))
                for row in cost_rows(values=times(1), device=device, batch=batch)
            ],
        ),
    ],
)  # fmt: skip
def test_two_devices_in_a_figure_are_refused(script, rows):
    with pytest.raises(tables.TableError, match="CPU and GPU"):
        script.draw(cost_table(rows))


@pytest.mark.parametrize("script", [memory, pareto, projection, scaling])
def test_figure_without_a_sweep_says_why(script):
    figure = script.draw(cost_table([*cost_rows(), *cost_rows(width=3), *cost_rows(batch=2)]))
    assert [axes.lines[:] for axes in figure.axes] == [[]]
    assert figure.get_figheight() < 1
    assert re.search("No (model|sweep)", texts(figure))


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
    scripts = ", ".join(f"figures.{figure}" for figure in [*INPUTS, "ablation"])
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


@pytest.mark.parametrize("figure", [*INPUTS, "ablation"])
def test_a_figure_says_what_it_asks_in_its_first_line(figure):
    first, _, rest = importlib.import_module(f"figures.{figure}").__doc__.partition("\n\n")
    assert first.endswith(".") and "\n" not in first and rest.strip()
