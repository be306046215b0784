"""What steps cost: closed forms against counts, the law of depth, the command lines."""

import json
from types import SimpleNamespace

import pytest
import torch

from svp_core.config import resolve
from svp_core.cost import cells, energy, largest, measure, simulate
from svp_core.cost.flops import count_flops, macs
from svp_core.planned import other_settings
from svp_core.runtime.meters import Meter
from svp_core.training.run import build_method

REFERENCE = [784, 1000, 1000, 1000]
BP = macs([*REFERENCE, 10])  # its head included


@pytest.mark.parametrize(
    ("d0", "ratio"), [(10, 0.74), (100, 0.81), (338, 1.00), (500, 1.13), (700, 1.29)]
)
def test_ratios_of_the_reference_mlp(d0, ratio):
    assert macs(REFERENCE, d0) / BP == pytest.approx(ratio, abs=0.005)


def test_break_even_is_where_the_ratio_passes_one():
    assert macs(REFERENCE, 338) <= BP < macs(REFERENCE, 339)


@pytest.mark.parametrize("method", ["bp", "svp"])
def test_torch_counts_as_much(method):
    run = {"dataset": "digits", "model": "mlp", "method": method, "seed": 0}
    config = resolve(run | {"model_options": {"depth": 3, "width": 50}})
    trained = build_method(config, torch.device("cpu"))
    images, labels = torch.randn(6, 1, 8, 8), torch.arange(6)
    counted = count_flops(trained, images, labels)
    expected = macs([64, 50, 50, 50], 10) if method == "svp" else macs([64, 50, 50, 50, 10])
    assert counted == 2 * 6 * expected  # a MAC is two operations


def settings(**changes) -> dict:
    """Settings of a small cost sweep."""
    base = {"name": "mlp", "model": "mlp", "model_options": {"width": 32}, "batch": 16}
    series = [{"method": "bp"}, {"method": "svp"}]
    return base | {"series": series, "sweeps": [{"depth": [2, 3]}]} | changes


def quantity(rows: list[dict], name: str) -> list:
    return [row["value"] for row in rows if row["quantity"] == name]


@pytest.mark.parametrize("method", ["bp", "svp"])
def test_the_parts_of_a_batch_take_the_flops_of_the_whole(method):
    sizes = {"depth": 2, "width": 8, "stages": 1}
    config = cells.resolve(settings(name="cnn", model="cnn", model_options=sizes))
    recipe = {"micro_batches": 4}
    cell = cells.cell(config, {"method": method, "recipe": recipe}, {})
    trained = simulate.build(cell)
    whole = quantity(simulate.simulate(cell), "flops")
    assert whole == [count_flops(trained, *simulate.random_batch(cell))]


def test_a_fixed_readout_moves_the_break_even():
    """At 3x1000 a codebook adds 2 d0 K MACs a unit: 334 rows cost less than BP, 335 more."""
    config = cells.resolve(
        settings(model_options={"depth": 3, "width": 1000}, image_size=28, channels=1)
    )
    options = {"readout": "codebook", "step": "plain"}  # a fast first unit has K columns back
    series = {"method": "svp", "variant": "codebook", "method_options": options}
    (bp,) = quantity(simulate.simulate(cells.cell(config, {"method": "bp"}, {})), "flops")
    svp = [
        quantity(simulate.simulate(cells.cell(config, series, {"d0": d0})), "flops")[0]
        for d0 in (334, 335)
    ]
    assert bp == 2 * 16 * BP
    assert svp[0] < bp < svp[1]


@pytest.mark.parametrize(
    ("model", "sizes", "series"),
    [
        ("mlp", {"width": 32}, {"method": "bp"}),
        ("mlp", {"width": 32}, {"method": "svp"}),
        ("mlp", {"width": 32}, {"method": "bp", "method_options": {"update": "fused"}}),
        (
            "mlp",
            {"width": 32},
            {"method": "bp", "method_options": {"activation_checkpointing": "segments"}},
        ),
        ("vit", {"width": 16, "heads": 2, "patch": 8}, {"method": "svp"}),
        ("cnn", {"width": 4, "stages": 1}, {"method": "bp"}),
    ],
)
def test_the_largest_depth_fits_and_the_next_does_not(model, sizes, series):
    """The law that a few depths show is that of the depths between and beyond."""
    given = settings(name=model, model=model, model_options=sizes, series=[series])
    limit = simulate.total(cells.cell(cells.resolve(given), series, {"depth": 100})) + 100
    config = cells.resolve(given | {"budgets": [limit / 2**30]})
    (row,) = largest.largest_depths(config, simulate.total)
    is_squared = "segments" in str(series)
    stages = sizes.get("stages", 1)
    found = row["value"]
    following = (int(found**0.5) + 1) ** 2 if is_squared else found + stages
    for depth, fits in ((found, True), (following, False)):
        total = simulate.total(cells.cell(config, series, {"depth": depth}))
        assert (total <= limit) == fits
    assert found == 100 and row["depth"] is None


def test_a_small_budget_is_searched_depth_by_depth():
    sizes = [100 * step for step in range(20)]
    law = largest.differences(sizes[16:19])
    assert largest.largest_step(law, 16, 350, lambda step: sizes[step]) == 3
    assert largest.largest_step(law, 16, 99, lambda step: sizes[step]) == 0
    assert largest.largest_step(law, 16, 10_050, lambda step: sizes[step]) == 100


def test_without_a_law_no_depth_is_reported():
    def size(step):
        return 2**step

    assert largest.find_law(size, [4, 8], 1) == (4, None)


def test_energy_of_a_step_is_without_that_of_an_idle_device(monkeypatch):
    """A device that takes 10 W, and 2 J more a step: 2000 mJ a step."""
    state = {"seconds": 0.0, "steps": 0}

    def sleep(seconds: float) -> None:
        state["seconds"] += seconds

    def read() -> float:
        return 10 * state["seconds"] + 2 * state["steps"]

    def step():
        sleep(0.01)
        state["steps"] += 1

    monkeypatch.setattr(energy, "clock", lambda device: state["seconds"])
    monkeypatch.setattr(energy, "time", SimpleNamespace(sleep=sleep))
    cpu = torch.device("cpu")
    idle = energy.idle_power(cpu, read, seconds=0.2)
    assert idle == pytest.approx(10)
    assert energy.step_energy(step, cpu, read, idle, seconds=0.2) == pytest.approx(2000)


def test_a_meter_adds_up_and_knows_no_energy_without_a_counter():
    meter = Meter(torch.device("cpu"))
    meter.start()
    meter.start()
    meter.stop()
    spent = meter.seconds
    meter.stop()
    assert spent > 0 and meter.seconds == spent and meter.joules is None
    meter.read, meter.joules = iter([5.0, 7.5]).__next__, 0.0
    meter.start()
    meter.stop()
    assert meter.joules == 2.5
    meter.add(1.0, None)  # a part that ran where there is no counter
    assert meter.seconds > 1 and meter.joules is None


def test_cells_carry_their_sizes_and_options():
    sweeps = [{"depth": [2], "batch": [8], "d0": [20, 30]}]
    series = [
        {"method": "bp"},
        {"method": "svp", "variant": "private", "method_options": {"readout": "private"}},
    ]
    (point,) = cells.points(cells.resolve(settings(sweeps=sweeps, series=series)))
    places = [cells.place(cell) for cell in point]
    assert [place["d0"] for place in places] == [None, 20, 30]
    assert {(place["depth"], place["batch"]) for place in places} == {(2, 8)}


def test_sweeps_that_meet_at_a_size_are_compared_there():
    sweeps = [{"depth": [2, 3]}, {"width": [8, 32], "series": [{"method": "bp", "variant": "b"}]}]
    config = settings(model_options={"depth": 2, "width": 32}, sweeps=sweeps)
    points = cells.points(cells.resolve(config))
    variants = [[(cell["method"], cell["variant"]) for cell in point] for point in points]
    both = [("bp", "default"), ("svp", "default")]
    assert variants == [[*both, ("bp", "b")], both, [("bp", "b")]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sweep": []}, "'sweep' was unexpected"),
        ({"model": "mpl"}, "'mpl' is not one of"),
        ({"sweeps": [{"depth": [0]}]}, "sweeps.0.depth.0: 0 is less than the minimum of 1"),
        ({"sweeps": [{"depht": [1]}]}, "'depht' was unexpected"),
        ({"series": []}, "series: no method to measure"),
        ({"series": [{"method": "backprop"}]}, "'backprop' is not one of"),
        ({"sweeps": [{"d0": [20]}]}, "mlp svp default: method_options.d0: 20 rows cannot be read"),
        (
            {"series": [{"method": "bp", "recipe": {"micro_batches": 3}}]},
            "mlp bp default: recipe.micro_batches: 3 parts of 16 images",
        ),
    ],
)
def test_an_impossible_sweep_is_named(tmp_path, capsys, changes, message):
    pairs = [f"{key}={json.dumps(value)}" for key, value in settings(**changes).items()]
    output = tmp_path / "cost.json"
    assert simulate.main([*pairs, "--output", str(output)]) == 1
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_times_relate_to_the_baseline_wherever_it_stands():
    series = [{"method": "svp"}, {"method": "bp", "variant": "b"}, {"method": "bp"}]
    for baseline, place in (("bp", 2), ("svp", 0), (None, None)):
        config = cells.resolve(settings(series=series, baseline=baseline))
        point, _ = cells.points(config)
        assert measure.find_baseline(point) == place
        assert {cells.place(cell)["baseline"] for cell in point} == {baseline}
        rest = [cell for index, cell in enumerate(point) if index != place]
        assert measure.find_baseline(rest) is None  # there is nothing to relate to


def test_the_headline_series_are_known_in_every_sweep():
    series = [{"method": "bp"}, {"method": "svp", "headline": True}]
    sweeps = [{"depth": [2]}, {"depth": [3], "series": [{"method": "svp"}, {"method": "bp"}]}]
    found = cells.resolved(cells.resolve(settings(series=series, sweeps=sweeps)))
    headlines = [(cell["method"], cells.place(cell)["headline"]) for cell in found]
    assert headlines == [("bp", False), ("svp", True), ("svp", True), ("bp", False)]


def test_recorded_cells_are_the_planned_ones_though_an_option_was_added_since():
    planned = cells.resolved(cells.resolve(settings()))
    recorded = json.loads(json.dumps(planned))
    del recorded[1]["method_options"]["draw"]
    line = {"cells": planned}
    assert other_settings({"cells": recorded}, line) is None and recorded != planned
    recorded[1]["method_options"]["draw"] = 1
    assert "draw" in other_settings({"cells": recorded}, line)
    recorded[1]["method_options"] = {"gone": 1}
    assert "cells" in other_settings({"cells": recorded}, line)
    assert "cells" in other_settings({"cells": recorded[:1]}, line)


def test_measured_rows_name_the_device_and_the_quartiles(tmp_path):
    given = settings(baseline="bp")
    pairs = [f"{key}={json.dumps(value)}" for key, value in given.items()]
    output = tmp_path / "cost.json"
    arguments = ["--steps", "4", "--threads", "1", "--device", "cpu", "--output", str(output)]
    assert measure.main([*pairs, *arguments]) == 0
    rows = json.loads(output.read_text())["rows"]
    assert {row["source"] for row in rows} == {"measured"}
    assert all("threads: 1" in row["device"] for row in rows)
    first = {row["quantity"]: row["value"] for row in rows[:7]}
    assert first["step_time_low"] <= first["step_time"] <= first["step_time_high"]
    assert first["step_time_ratio"] == 1 and first["step_energy"] is None


def test_energy_of_every_cell_is_less_the_idle_power_measured_once(monkeypatch):
    idle, steps = [], []
    monkeypatch.setattr(measure, "energy_counter", lambda device: lambda: 0.0)
    monkeypatch.setattr(measure.energy, "idle_power", lambda *given: idle.append(given) or 7.0)
    monkeypatch.setattr(measure.energy, "step_energy", lambda *given: steps.append(given) or 5.0)
    given = SimpleNamespace(device="cpu", threads=1, warm_up=0, steps=2, energy_seconds=0.5)
    rows = list(measure.measure(cells.resolve(settings(baseline="bp")), given))
    assert len(idle) == 1 and idle[0][2] == 0.5
    assert len(steps) == 4 and {one[3:] for one in steps} == {(7.0, 0.5)}
    found = [row for row in rows if row["quantity"] == "step_energy"]
    assert [(row["value"], row["unit"]) for row in found] == [(5.0, "mJ")] * 4
    order = list(dict.fromkeys(row["unit"] for row in rows))
    assert order == ["s", "1", "mJ"]  # bytes of the allocator on CUDA only
