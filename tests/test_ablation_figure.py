"""The figure of a study follows from its table: line, points or map, by what varies."""

from itertools import product

import pytest
from matplotlib import pyplot as plt

from figures import ablation
from svp_core import tables
from svp_core.tables.statistics import interval


@pytest.fixture(autouse=True)
def no_open_figures():
    """Close what a test has drawn."""
    yield
    plt.close("all")


def study(seeds=3, tasks=(("digits", "mlp"),), diverged=0, **axes):
    """A table of all combinations; the accuracy of seed s in cell c is 80 + c + s."""
    rows = []
    for dataset, model in tasks:
        for cell, values in enumerate(product(*axes.values())):
            for seed in range(seeds):
                names = {"dataset": dataset, "model": model, "method": "svp", "seed": seed}
                state = {"status": "completed", "test_accuracy": 80.0 + cell + seed}
                options = dict(zip(axes, values, strict=True))
                rows.append(names | state | options | {"variant": f"v{cell}"})
    for row in rows[:diverged]:
        row |= {"status": "diverged", "test_accuracy": None}
    return tables.from_rows(rows, "ablation")


def written(figure):
    """Everything written in a figure, in one line."""
    texts = figure.findobj(lambda item: hasattr(item, "get_text"))
    return " ".join(" ".join(text.get_text() for text in texts).split())


def tick_labels(axis):
    """The texts of the ticks of an axis."""
    return [text.get_text() for text in axis.get_ticklabels()]


def test_a_numeric_option_is_a_line_of_means_with_intervals():
    figure = ablation.draw(study(scale=[0.5, 1, 2.0]))
    (axes,) = figure.get_axes()
    (line,) = axes.lines
    assert line.get_xydata().tolist() == [[0.5, 81], [1, 82], [2, 83]]
    band, seeds = axes.collections
    _, low, high = interval([80, 81, 82])
    edge = band.get_paths()[0].vertices
    assert sorted(set(edge[edge[:, 0] == 0.5][:, 1])) == pytest.approx([low, high])
    assert len(seeds.get_offsets()) == 9
    assert axes.get_xscale() == "linear" and axes.get_xlabel() == "scale"
    assert "(n = 3)" in written(figure) and "Student t" in written(figure)


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1, 10], "linear"), ([1, 100], "log"), ([0, 100], "linear"), ([-1, 100], "linear")],
)
def test_the_axis_is_logarithmic_over_more_than_a_decade(values, scale):
    (axes,) = ablation.draw(study(d0=values)).get_axes()
    assert axes.get_xscale() == scale


def test_one_seed_is_points_alone():
    figure = ablation.draw(study(seeds=1, scale=[1, 2]))
    (axes,) = figure.get_axes()
    (points,) = axes.collections
    assert points.get_offsets().tolist() == [[1, 80], [2, 81]] and not axes.lines
    for one in (figure, ablation.draw(study(seeds=1, alignment=["kl", "none"]))):
        assert "one seed each (n = 1)" in written(one) and "Student" not in written(one)


@pytest.mark.parametrize(
    ("axes", "means"),
    [
        ({"alignment": ["kl", "none"]}, {"kl": 81, "none": 82}),
        ({"shared": [True, False]}, {"no": 82, "yes": 81}),
        ({"d0": [None, 3]}, {"3": 82, "–": 81}),
    ],
)
def test_names_and_truth_values_are_points_with_intervals(axes, means):
    figure = ablation.draw(study(**axes))
    (panel,) = figure.get_axes()
    assert tick_labels(panel.xaxis) == list(means)
    seeds = [point for group in panel.collections for point in group.get_offsets().tolist()]
    assert len(seeds) == 6
    heights = next(line.get_ydata() for line in panel.lines if line.get_marker() == "s")
    assert list(heights) == list(means.values())
    assert "Student t" in written(figure)


def test_two_options_are_a_map_of_means():
    (panel,) = ablation.draw(study(d0=[2, 10], scale=[0.5, 1, 4.0])).get_axes()
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("scale", "d0")
    assert tick_labels(panel.xaxis) == ["0.5", "1", "4"]
    assert tick_labels(panel.yaxis) == ["10", "2"]
    numbers = [text.get_text() for text in panel.texts]
    assert numbers == ["84.00", "85.00", "86.00", "81.00", "82.00", "83.00"]


def test_numbers_beside_names_are_a_map_too():
    (panel,) = ablation.draw(study(seeds=1, alignment=["kl", "none"], d0=[2, 10])).get_axes()
    assert [text.get_text() for text in panel.texts] == ["82.00", "83.00", "80.00", "81.00"]
    assert {panel.get_xlabel(), panel.get_ylabel()} == {"alignment", "d0"}


def test_more_options_are_points_over_their_combinations():
    (panel,) = ablation.draw(study(part=["kl", "none"], d0=[2, 10], scale=[1, 2])).get_axes()
    assert panel.get_xlabel() == "d0 / part / scale"
    assert tick_labels(panel.xaxis)[:3] == ["2 / kl / 1", "2 / kl / 2", "2 / none / 1"]
    assert len(tick_labels(panel.xaxis)) == 8


def test_every_task_has_a_panel_and_divergence_is_counted():
    tasks = [("digits", "mlp"), ("mnist", "mlp"), ("digits", "vit")]
    figure = ablation.draw(study(tasks=tasks, diverged=2, scale=[1, 2]))
    titles = [axes.get_title() for axes in figure.get_axes()]
    assert titles == ["Digits, MLP", "Digits, ViT", "MNIST, MLP"]
    assert "Not shown: 2 of 18 runs diverged." in written(figure)


def test_a_cell_whose_seeds_all_diverged_is_empty():
    (panel,) = ablation.draw(study(seeds=1, diverged=1, d0=[2, 10], scale=[1, 2])).get_axes()
    assert [text.get_text() for text in panel.texts if text.get_text()] == [
        "82.00",
        "83.00",
        "81.00",
    ]


@pytest.mark.parametrize(
    ("axes", "reason"),
    [({"scale": [1], "diverged": 3}, "No run completed."), ({}, "No option differs")],
)
def test_a_study_without_anything_to_draw_says_why(axes, reason):
    assert reason in written(ablation.draw(study(**axes)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "axes", [{"scale": [0.1, 16]}, {"part": ["a", "b"]}, {"d0": [1, 2], "part": ["a", "b"]}]
)
def test_files_have_equal_bytes_each_time(tmp_path, axes):
    (tmp_path / "study.csv").write_bytes(tables.csv_bytes(study(diverged=2, **axes)))
    made = []
    for turn in ("first", "second"):
        files = [tmp_path / f"{turn}.{kind}" for kind in ("png", "pdf")]
        ablation.main([str(tmp_path / "study.csv"), f"--png={files[0]}", f"--pdf={files[1]}"])
        made.append([file.read_bytes() for file in files])
    assert made[0] == made[1]


def test_a_repeated_row_is_named_in_one_line(tmp_path):
    path = tmp_path / "study.csv"
    text = tables.csv_bytes(study(scale=[1, 2])).decode()
    path.write_text(text + text.splitlines()[-1] + "\n")
    with pytest.raises(SystemExit) as error:
        ablation.main([str(path), f"--png={tmp_path / 'a.png'}", f"--pdf={tmp_path / 'a.pdf'}"])
    assert str(error.value) == f"error: {path}: two rows of digits, mlp, svp, v1, 2"
