"""Figures are the same wherever they are drawn, and hold whatever names series have."""

import os
import subprocess
import sys

import pytest
from builders import completed, diverged, write_records
from made_costs import CODEBOOK, COST, cost_table, measured, projected, texts
from matplotlib import pyplot as plt
from suite_copy import ROOT

from figures import accuracy, learning_curves, memory, pareto, projection, style
from svp_core import tables
from svp_core.cost.measure import quartiles
from workflow.scripts import collect_runs

LONG = [f"{letter}{'_and_more_of_it' * 10}"[:145] for letter in "ab"]


@pytest.fixture(autouse=True)
def no_open_figures():
    """Close what a test has drawn."""
    yield
    plt.close("all")


def curves(folder, records):
    """The table of curves of these records."""
    collect_runs.main([*write_records(folder, records), "--output-dir", str(folder)])
    return tables.read(folder / "curves.csv", "curves")


@pytest.mark.parametrize("content", [b"\xff\xfe no text", b"font.size: 30\nbackend: nonsense\n"])
def test_no_matplotlibrc_backend_or_locale_changes_a_figure(tmp_path, content):
    found = curves(tmp_path, [completed([90.0])])
    seen = learning_curves.describe(found)
    style.save(learning_curves.draw(found), seen, tmp_path / "a.png", tmp_path / "a.pdf")
    (tmp_path / "matplotlibrc").write_bytes(content)
    surroundings = {"PYTHONPATH": str(ROOT), "MPLBACKEND": "nonsense", "LC_ALL": "de_DE.UTF-8"}
    surroundings["MPLCONFIGDIR"] = str(tmp_path / "curves.csv")
    command = [sys.executable, str(ROOT / "figures/learning_curves.py"), "curves.csv"]
    command += ["--png", "b.png", "--pdf", "b.pdf"]
    subprocess.run(command, cwd=tmp_path, env=os.environ | surroundings, check=True)
    for kind in ("png", "pdf"):
        one, other = (tmp_path / f"{name}.{kind}" for name in "ab")
        assert one.read_bytes() == other.read_bytes()


def overhangs(figure) -> bool:
    """Whether a legend or a label of an axis leaves the figure."""
    figure.canvas.draw()
    whole = figure.bbox
    parts = [figure, *figure.subfigs]
    boxes = [legend.get_window_extent() for part in parts for legend in part.legends]
    boxes += [axes.get_tightbbox() for axes in figure.get_axes()]
    return any(box.x0 < -1 or box.x1 > whole.x1 + 1 or box.y1 > whole.y1 + 1 for box in boxes)


def test_variants_of_145_letters_stay_within_the_figure(tmp_path):
    found = curves(tmp_path, [completed([90.0], variant=name) for name in LONG])
    figure = learning_curves.draw(found)
    assert not overhangs(figure) and figure.get_axes()[0].bbox.height > 50
    rows = [one | {"variant": LONG[0]} if one["variant"] == "fused" else one for one in COST]
    assert not overhangs(memory.draw(cost_table(rows)))


def test_nothing_is_related_to_a_baseline_that_was_not_measured():
    without = [one for one in [*measured(), *projected()] if one["method"] != "bp"]
    for figure in (pareto, projection):
        written = " ".join(texts(figure.draw(cost_table(without))).split())
        assert "No step of the baseline, bp, was measured." in written
    alone = [one for one in projected() if one["variant"] == CODEBOOK[1]]
    assert "that of" not in texts(projection.draw(cost_table(alone)))


def test_runs_that_all_diverged_are_not_called_seeds(tmp_path):
    found = curves(tmp_path, [diverged(), diverged(seed=1)])
    assert "No run completed." in texts(learning_curves.draw(found))
    summary = tables.from_rows(
        [{"dataset": "mnist", "model": "mlp", "method": "svp", "variant": "default", "n": 0,
          "diverged": 2, "baseline": "bp"}], "summary",
    )  # fmt: skip
    assert accuracy.explanation(summary, False) == "No run completed."


def test_quartiles_of_two_values_lie_between_them():
    low, middle, high = quartiles("t", [1.0, 9.0]).values()
    assert 1 <= low <= middle == 5 <= high <= 9
