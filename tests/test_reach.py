"""Reach: how many blocks one loss trains, its table, and accuracy against it in a figure."""

import pytest
from builders import completed, diverged, write_records
from made_costs import texts
from matplotlib import pyplot as plt

from figures import reach
from svp_core import tables
from svp_core.config import options
from svp_core.config.filling import reach as reach_of
from workflow.scripts import collect_reach

UNITS = (1, 2, 4)


@pytest.fixture(autouse=True)
def no_open_figures():
    """Close what a test has drawn."""
    yield
    plt.close("all")


def run(method="svp", model="mlp", model_options=None, **method_options):
    return {
        "model": model,
        "model_options": {"depth": 4} if model_options is None else model_options,
        "method": method,
        "method_options": method_options,
        "recipe": {},
    }


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (run("bp"), 4),
        (run("bp", "vgg", {"layout": "vgg8b"}), 7),
        (run(blocks=2), 2),
        (run("sll"), 1),
        (run(blocks=6), 4),
        (run("svp", "resnet", {}, blocks=3), 3),
    ],
)
def test_reach_is_the_blocks_that_one_loss_trains(found, expected):
    assert reach_of(found) == expected


def test_overlap_reaches_units_before():
    class Overlapping(options.declared("methods", "svp")):
        overlap: int = options.integer(2, "units before")

    assert [Overlapping(blocks=2).reach(depth) for depth in (8, 5, None)] == [6, 5, 6]
    assert options.fill("methods", "bp", {}).reach(None) is None


def records(seeds=3, tasks=(("digits", "mlp"),), lost=0):
    """Runs of bp, and of svp in units of 1, 2, 4 blocks, each half a point better than the last."""
    made = []
    for dataset, model in tasks:
        for seed in range(seeds):
            names = {"dataset": dataset, "model": model, "seed": seed}
            names["model_options"] = {"depth": 4}
            one = completed([95.0 + seed], method="bp", **names)
            made.append(one | {"tensor_bytes": 1000, "activation_bytes": 800})
            for place, blocks in enumerate(UNITS):
                names |= {"variant": f"blocks-{blocks}", "method_options": {"blocks": blocks}}
                one = completed([93 + place / 2 + 1.1 * seed], method="svp", **names)
                made.append(one | {"tensor_bytes": 250 * blocks, "activation_bytes": 200 * blocks})
    kept = len(made) - lost
    return [*made[:kept], *(diverged(**one["config"]) for one in made[kept:])]


def table(tmp_path, found):
    """The table that is collected of the records."""
    paths, path = write_records(tmp_path, found), tmp_path / "reach.csv"
    collect_reach.main([*paths, "--output", str(path), "--baseline", "bp"])
    return tables.read(path, "reach")


def test_the_table_relates_every_run_to_that_of_the_baseline(tmp_path):
    found = table(tmp_path, records())
    assert list(found) == [*tables.columns("reach"), "blocks"]
    bp, svp = (found[found["method"] == name].set_index("seed") for name in ("bp", "svp"))
    assert bp["difference"].isna().all() and bp["blocks"].isna().all()
    assert set(bp["reach"]) == {4} and set(bp["relative_memory"]) == {1}
    assert svp["reach"].tolist() == svp["blocks"].tolist() == [1, 1, 1, 2, 2, 2, 4, 4, 4]
    assert svp["difference"].loc[2].tolist() == pytest.approx([-1.8, -1.3, -0.8])
    assert svp["relative_memory"].loc[0].tolist() == [0.25, 0.5, 1]


def test_a_record_of_unknown_options_is_named(tmp_path):
    found = records(seeds=1)
    found[1]["config"]["method_options"] |= {"unheard_of": 1}
    found[2]["config"]["method_options"] |= {"unheard_of": 2}
    with pytest.raises(SystemExit, match="record_1.json: config: .*'unheard_of'"):
        table(tmp_path, found)


def test_lines_are_means_of_differences_against_reach_and_memory(tmp_path):
    figure = reach.draw(table(tmp_path, records()))
    left, right = figure.get_axes()
    for axes, places in ((left, [1, 2, 4]), (right, [0.25, 0.5, 1])):
        path = next(line for line in axes.lines if line.get_linestyle() == "--")
        assert path.get_xdata().tolist() == pytest.approx(places)
        assert path.get_ydata().tolist() == pytest.approx([-1.9, -1.4, -0.9])
        low, high = axes.get_ylim()
        assert low < -2 and 0 < high
    assert left.get_ylim() == right.get_ylim()
    assert left.get_xlabel() == "Blocks that one loss trains"
    written = " ".join(texts(figure).split())
    assert "SVP, units of n blocks" in written and "(n = 3)" in written
    assert "Line at zero: BP." in written and "Not shown" not in written


def overlapping(tmp_path):
    """A table in which units of one and two blocks reach further by overlap, too."""
    found = table(tmp_path, records()).assign(overlap=0)
    for blocks, overlap in ((1, 1), (1, 3), (2, 1)):
        part = found[found["blocks"] == blocks].query("overlap == 0")
        reached = part.assign(overlap=overlap, reach=blocks * (1 + overlap))
        reached["variant"] += f"_overlap-{overlap}"
        found = tables.typed(
            tables.from_rows([*found.to_dict("records"), *reached.to_dict("records")], "reach"),
            "reach",
            "test",
        )
    return found


def test_overlap_has_lines_of_its_own_that_start_at_plain_units(tmp_path):
    figure = reach.draw(overlapping(tmp_path))
    written = texts(figure)
    for name in ("units of n blocks", "1 block a unit, overlap n", "2 blocks a unit, overlap n"):
        assert f"SVP, {name}" in written
    paths = [
        line for line in figure.get_axes()[1].lines if line.get_linestyle() not in ("-", "None")
    ]
    assert sorted(len(line.get_xdata()) for line in paths) == [2, 3, 3]


def test_every_task_has_a_row_and_divergence_is_counted(tmp_path):
    tasks = [("mnist", "vit"), ("digits", "mlp")]
    figure = reach.draw(table(tmp_path, records(tasks=tasks, lost=2)))
    titles = [axes.get_title() for axes in figure.get_axes()]
    assert titles == ["Digits, MLP"] * 2 + ["MNIST, ViT"] * 2
    assert "Not shown: 2 of 18 runs" in " ".join(texts(figure).split())


def test_one_seed_has_no_interval_and_nothing_to_show_says_so(tmp_path):
    found = table(tmp_path, records(seeds=1))
    assert "one seed each (n = 1)" in texts(reach.draw(found))
    nothing = reach.draw(found.assign(difference=None))
    assert "No run completed beside one of the baseline" in " ".join(texts(nothing).split())


@pytest.mark.filterwarnings("error")
def test_files_have_equal_bytes_each_time(tmp_path):
    content = tables.csv_bytes(overlapping(tmp_path))
    (tmp_path / "reach.csv").write_bytes(content)
    made = []
    for turn in ("first", "second"):
        files = [tmp_path / f"{turn}.{kind}" for kind in ("png", "pdf")]
        reach.main([str(tmp_path / "reach.csv"), f"--png={files[0]}", f"--pdf={files[1]}"])
        made.append([file.read_bytes() for file in files])
    assert made[0] == made[1]
