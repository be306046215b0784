"""What is planned is told before it runs."""

import json

import pytest
from builders import record

from svp_core.config import resolve
from svp_core.cost import plan
from svp_core.cost.flops import macs

RUN = {"dataset": "mnist", "model": "mlp", "method": "svp", "seed": 0}


def runs(count: int = 3, **changes) -> list[dict]:
    sizes = {"model_options": {"depth": 3, "width": 100}}
    recipe = {"recipe": {"epochs": 2, "batch_size": 128}}
    return [resolve(RUN | sizes | recipe | changes) | {"count": count}]


def test_operations_and_checkpoint_of_a_run_are_exact():
    (run,) = runs()
    operations, saved = plan.sizes(run)
    steps = 60_000 // 128 * 2
    assert operations == steps * 128 * 2 * macs([784, 100, 100, 100], 10)
    parameters = 784 * 100 + 2 * 100 * 100 + 300
    # weights and AdamW's two moments, a step counter each, and the projections
    assert saved == 4 * (3 * parameters + 6 + 3 * 10 * 100)


def test_a_subset_takes_less():
    (whole,), (part,) = runs(), runs(recipe={"epochs": 2, "batch_size": 128, "train_images": 1280})
    assert plan.sizes(part)[0] * (60_000 // 128) == plan.sizes(whole)[0] * 10


def test_hours_come_from_finished_runs_where_there_are_any(capsys, tmp_path):
    (run,) = runs()
    operations, _ = plan.sizes(run)
    made = record(dataset="mnist", method="svp", train_flops=10**12, train_seconds=5)
    paths = tmp_path / "plan.json", tmp_path / "0.json"
    for path, content in zip(
        paths, ({"runs": runs(), "records": [str(paths[1])]}, made), strict=True
    ):
        path.write_text(json.dumps(content))
    assert plan.main([str(paths[0]), "--tflops", "7"]) == 0
    printed = capsys.readouterr().out
    hours = operations / 0.2e12 / 3600
    assert "0.2 measured" in printed and f"{hours:.3g}" in printed
    assert f"3 runs, {3 * hours:.3g} device hours" in printed
    assert "Data: mnist, 55 MB." in printed
    paths[1].write_text(json.dumps(made | {"epochs": 9}))
    assert plan.main([str(paths[0])]) == 1
    assert f"{paths[1]}: epochs: 9, but curves has 2" in capsys.readouterr().err


def test_without_any_the_rate_is_called_assumed():
    lines = list(plan.report(runs(), {}, 7.0))
    assert "7 assumed" in lines[1]


def test_a_finished_grid_has_no_plan():
    assert list(plan.report([], {}, 1.0)) == ["Nothing to train: every planned run has its record."]


def test_sizes_that_are_not_published_are_no_part_of_a_sum():
    lines = list(plan.data_lines({"cifar100", "imagenet"}))
    assert lines[0] == "Data: cifar100, at least 155 MB."
    assert lines[1].startswith("Data: imagenet, size as its source says")


@pytest.mark.parametrize("seconds", [0, 4])
def test_rates_add_up_all_runs_of_a_series(seconds):
    config = RUN | {"variant": "default"}
    records = [
        {"config": config, "train_flops": 2e12, "train_seconds": seconds},
        {"config": config | {"seed": 1}, "train_flops": 4e12, "train_seconds": seconds},
    ]
    series = tuple(config[axis] for axis in plan.SERIES)
    assert plan.measured_rates(records) == ({series: 0.75} if seconds else {})
