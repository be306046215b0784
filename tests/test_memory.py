"""The memory of a training step: parts, peaks, and what depth does to them."""

from functools import partial

import pytest
import torch
from torch.distributed._tools.mem_tracker import MemTracker

from svp_core.config import resolve
from svp_core.cost import cells, memory
from svp_core.cost.memory import KINDS, measure_step, peak_memory
from svp_core.cost.simulate import simulate as simulate_rows
from svp_core.training.run import assemble, build_method

SIZES = {
    "mlp": {"width": 64},
    "cnn": {"width": 8, "stages": 2},
    "vit": {"width": 32, "heads": 2, "patch": 4},
}


SCHEDULES = {
    "bp": ("bp", {}, {}),
    "checkpoint": ("bp", {"activation_checkpointing": "segments"}, {}),
    "fused bp": ("bp", {"update": "fused"}, {}),
    "parts": ("bp", {}, {"micro_batches": 4}),
    "svp": ("svp", {}, {}),
    "after": ("svp", {"update": "after"}, {}),
    "svp in parts": ("svp", {}, {"micro_batches": 4}),
    "overlap": ("svp", {"overlap": 1}, {}),
    "lda": ("local_lda", {"d0": 12, "inference": "stacked"}, {}),
    "lda in parts": ("local_lda", {"d0": 12, "overlap": 2}, {"micro_batches": 4}),
    "fresh": ("local_lda", {"d0": 12, "auxiliary": "fresh"}, {}),
    "ema": ("local_lda", {"d0": 12, "auxiliary": "ema"}, {}),
    "reconstruction": ("local_lda", {"d0": 12, "alignment": "reconstruction"}, {}),
    "predsim": ("predsim", {}, {}),
}


def simulate(model: str, schedule: str, depth: int, size: int = 16) -> dict[str, int]:
    method, options, recipe = SCHEDULES[schedule]
    config = {"name": model, "model": model, "model_options": SIZES[model], "batch": 16}
    config |= {"channels": 1 if size == 8 else 3, "image_size": size, "classes": 10}
    series = {"method": method, "method_options": options, "recipe": recipe}
    config |= {"series": [series], "sweeps": [{"depth": [depth]}]}
    (cell,) = cells.resolved(cells.resolve(config))
    rows = simulate_rows(cell)
    return {row["quantity"]: row["value"] for row in rows if row["unit"] == "bytes"}


def build(model: str, schedule: str, depth: int = 4):
    method, options, recipe = SCHEDULES[schedule]
    run = {"dataset": "digits", "model": model, "method": method, "seed": 0}
    sizes = SIZES[model] | {"depth": depth}
    run |= {"model_options": sizes, "method_options": options, "recipe": recipe}
    return build_method(resolve(run), torch.device("cpu"))


def batch():
    return torch.randn(16, 1, 8, 8), torch.zeros(16, dtype=torch.long)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("model", SIZES)
def test_the_split_adds_up_to_the_peak(model, schedule):
    sizes = simulate(model, schedule, depth=4)
    assert sum(sizes[kind] for kind in KINDS) == sizes["total"]
    assert sizes["parameters"] > 0 and sizes["activations"] > 0


# torch's tracker follows no module that runs more than once a step or is frozen, no input that is a
# leaf
TRACKED = [name for name in SCHEDULES if "parts" not in name and name not in ("overlap", "ema")]


@pytest.mark.parametrize("schedule", TRACKED)
@pytest.mark.parametrize("model", SIZES)
def test_the_peak_equals_that_of_torchs_own_tracker(model, schedule):
    images, labels = batch()
    peak = measure_step(build(model, schedule), images, labels)["total"]
    trained, tracker = build(model, schedule), MemTracker()
    tracker.track_external(trained, *trained.optimizers, images, labels)
    with tracker:
        trained.step(images, labels)
        trained.drain()
        tracker.reset_mod_stats()
        trained.step(images, labels)
    assert peak == tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("model", SIZES)
def test_a_simulated_step_takes_as_much_as_a_real_one(model, schedule):
    real = measure_step(build(model, schedule), *batch())
    assert simulate(model, schedule, depth=4, size=8) == real


def test_parameters_and_optimizer_state_are_counted_exactly():
    trained = build("mlp", "svp")
    sizes = measure_step(trained, *batch())
    parameters = sum(parameter.nbytes for parameter in trained.parameters())
    steps = 4 * len(list(trained.parameters()))  # AdamW counts its steps, a float each
    assert sizes["parameters"] == parameters
    assert sizes["optimizer"] == 2 * parameters + steps
    assert sizes["buffers"] == sum(unit.projection.nbytes for unit in trained.units)
    assert sizes["data"] == 16 * 64 * 4 + 16 * 8


def test_saved_activations_of_an_mlp_equal_the_closed_form():
    width, classes, images, depth = 64, 10, 16, 5
    readings = 4 * classes * images
    bp = measure_step(build("mlp", "bp", depth), *batch())["activations"]
    svp = measure_step(build("mlp", "svp", depth), *batch())["activations"]
    # the output of every layer, the log-softmax and the normaliser of the mean
    assert bp == depth * 4 * width * images + readings + 4
    # the output of one layer and its input; readings are read at once
    assert svp == 2 * 4 * width * images


def test_what_checkpointing_computes_again_counts_as_saved():
    plain, again = (measure_step(build("mlp", name, 9), *batch()) for name in ("bp", "checkpoint"))
    layer = 4 * 64 * 16
    # the two inputs of the later segments, the three layers of one segment, and the readings
    assert plain["activations"] - again["activations"] == 9 * layer - (2 + 3) * layer


@pytest.mark.parametrize("model", SIZES)
def test_activations_are_flat_in_depth_for_svp_and_grow_for_bp(model):
    saved = {
        (method, depth): simulate(model, method, depth)["activations"]
        for method in ("bp", "svp")
        for depth in (4, 16)
    }
    assert saved["svp", 16] - saved["svp", 4] <= 0.01 * (saved["bp", 16] - saved["bp", 4])
    assert saved["bp", 16] > 3 * saved["bp", 4]


@pytest.mark.parametrize("schedule", ["svp", "lda"])
def test_a_block_more_adds_to_the_peak_what_is_no_activation(schedule):
    """Weights, their gradients' and optimiser's share, and v; not h of an earlier unit."""
    totals = [simulate("mlp", schedule, depth)["total"] for depth in (4, 8)]
    sizes = [simulate("mlp", schedule, depth) for depth in (4, 8)]
    kept = [one["parameters"] + one["optimizer"] + one["buffers"] for one in sizes]
    v = 4 * 16 * (12 + 10) * 4  # of four more units, with logits
    assert totals[1] - totals[0] <= kept[1] - kept[0] + 3 * v


def test_the_peak_of_a_run_is_that_of_its_live_tensors():
    expected = measure_step(build("cnn", "svp"), *batch())
    found = peak_memory(partial(build, "cnn", "svp"), lambda method: method, *batch())
    assert found == {
        "peak_memory_bytes": expected["total"],
        "peak_memory_source": "tensors",
        "tensor_bytes": expected["total"],
        "activation_bytes": expected["activations"],
    }


@pytest.mark.parametrize("method", ["bp", "svp", "sll", "predsim", "local_lda"])
def test_a_gpu_run_is_told_the_same_memory_of_tensors(method):
    """Which is simulated there, as it would be measured on a CPU."""
    run = {"dataset": "digits", "model": "cnn", "method": method, "seed": 0}
    found = memory.simulate(partial(assemble, resolve(run)), *batch())
    assert found == measure_step(build_method(resolve(run), torch.device("cpu")), *batch())
