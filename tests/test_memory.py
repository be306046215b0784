"""The memory of a training step: parts, peaks, and what depth does to them."""

import pytest
import torch
from torch.distributed._tools.mem_tracker import MemTracker

from svp_core.config import resolve
from svp_core.memory import KINDS, measure_step, peak_memory
from svp_core.memory_sweep import main, simulate
from svp_core.training import build_method

SIZES = {
    "mlp": {"width": 64},
    "cnn": {"width": 8, "stages": 2},
    "vit": {"width": 32, "heads": 2, "patch": 4},
}


def sweep(model: str) -> dict:
    return {
        "model": model,
        "model_options": SIZES[model],
        "batch_size": 16,
        "image_shape": [3, 16, 16],
        "classes": 10,
    }


def build(model: str, method: str, depth: int = 4):
    run = {"dataset": "digits", "model": model, "method": method, "seed": 0}
    sizes = SIZES[model] | {"depth": depth}
    return build_method(resolve(run | {"model_options": sizes}), torch.device("cpu"))


def batch():
    return torch.randn(16, 1, 8, 8), torch.zeros(16, dtype=torch.long)


@pytest.mark.parametrize("method", ["bp", "svp"])
@pytest.mark.parametrize("model", SIZES)
def test_the_split_adds_up_to_the_peak(model, method):
    sizes = simulate(sweep(model), method, depth=4)
    assert sum(sizes[kind] for kind in KINDS) == sizes["total"]
    assert sizes["parameters"] > 0 and sizes["activations"] > 0


@pytest.mark.parametrize("method", ["bp", "svp"])
@pytest.mark.parametrize("model", SIZES)
def test_the_peak_equals_that_of_torchs_own_tracker(model, method):
    images, labels = batch()
    peak = measure_step(build(model, method), images, labels)["total"]
    trained, tracker = build(model, method), MemTracker()
    tracker.track_external(trained, *trained.optimizers, images, labels)
    with tracker:
        trained.step(images, labels)
        tracker.reset_mod_stats()
        trained.step(images, labels)
    assert peak == tracker.get_tracker_snapshot("peak")[torch.device("cpu")]["Total"]


@pytest.mark.parametrize("method", ["bp", "svp"])
@pytest.mark.parametrize("model", SIZES)
def test_a_simulated_step_takes_as_much_as_a_real_one(model, method):
    real = measure_step(build(model, method), *batch())
    fake = simulate(sweep(model) | {"image_shape": [1, 8, 8]}, method, depth=4)
    assert fake == real


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
    width, classes, images = 64, 10, 16
    log_softmax = 4 * classes * images + 4  # and the normaliser of the mean
    bp = measure_step(build("mlp", "bp", depth=5), *batch())["activations"]
    svp = measure_step(build("mlp", "svp", depth=5), *batch())["activations"]
    assert bp == pytest.approx(5 * 4 * width * images + log_softmax, abs=8)
    # a unit keeps its input, its output, the log-softmax and the difference of the readings
    assert svp == pytest.approx(2 * 4 * width * images + 2 * log_softmax, abs=16)


@pytest.mark.parametrize("model", SIZES)
def test_activations_are_flat_in_depth_for_svp_and_grow_for_bp(model):
    saved = {
        (method, depth): simulate(sweep(model), method, depth)["activations"]
        for method in ("bp", "svp")
        for depth in (4, 16)
    }
    assert saved["svp", 16] == pytest.approx(saved["svp", 4], rel=0.05)
    assert saved["bp", 16] > 3 * saved["bp", 4]


def test_the_peak_of_a_run_is_that_of_its_live_tensors():
    expected = measure_step(build("cnn", "svp"), *batch())["total"]
    found = peak_memory(lambda: build("cnn", "svp"), *batch())
    assert found == {"peak_memory_bytes": expected, "peak_memory_source": "tensors"}


def test_a_sweep_names_the_key_it_cannot_use(tmp_path, capsys):
    output = tmp_path / "memory.json"
    assert main(["model=mlp", "method=[bp]", "depth=[0]", "--output", str(output)]) == 1
    assert "depth.0: 0 is less than the minimum of 1" in capsys.readouterr().err
    assert not output.exists()
