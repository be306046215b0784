"""Whole trainings on a GPU: what the record says, leaving and going on."""

import jsonschema
import pytest
import yaml
from test_interruption import interrupt
from test_training import ROOT, run, without_times

from svp_core.config import options
from svp_core.runtime.device import device_name

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def energy(monkeypatch):
    """No counter of energy: joules are not the same twice."""
    monkeypatch.setattr("svp_core.runtime.meters.energy_counter", lambda device: None)


GRAPHS = ["recipe.cuda_graphs=true"]
TRAINED = [("bp", []), ("svp", []), ("local_lda", []), ("predsim", []), ("svp", GRAPHS)]


@pytest.mark.parametrize(("method", "more"), TRAINED)
def test_a_record_of_every_metric_names_the_device(tmp_path, device, method, more):
    settings = ["dataset=digits", "model=cnn", f"method={method}", "seed=0", "recipe.epochs=2"]
    settings += [f"metrics=[{','.join(options.names('metrics'))}]", "gram_images=60", *more]
    record = run(tmp_path, [*settings, "--device", str(device)])
    schema = yaml.safe_load((ROOT / "svp_core/training/record.schema.yaml").read_text())
    jsonschema.validate(record, schema)
    assert record["status"] == "completed" and record["test_accuracy"] > 50
    assert [one["device"] for one in record["environments"]] == [device_name(device)]
    is_cuda = device.type == "cuda"
    assert record["peak_memory_source"] == ("allocator" if is_cuda else "tensors")
    assert record["peak_memory_bytes"] >= record["tensor_bytes"] > 0
    on_cpu = run(tmp_path, [*settings, "--device", "cpu"], "cpu")
    assert known(record["metrics"]) == known(on_cpu["metrics"])
    for key in ("parameters", "train_flops", "step"):
        assert record[key] == on_cpu[key], key
    for key in ("tensor_bytes", "activation_bytes"):  # a CPU may lay out a convolution otherwise
        assert record[key] == pytest.approx(on_cpu[key], rel=0.1), key
    assert record["test_accuracy"] == pytest.approx(on_cpu["test_accuracy"], abs=5)


def known(metrics: dict) -> dict[str, list[bool]]:
    """Which values there are, of the network or of its units."""
    values = {key: one if isinstance(one, list) else [one] for key, one in metrics.items()}
    return {key: [value is not None for value in one] for key, one in values.items()}


MIXED = ["dataset=digits", "model=cnn", "method=local_lda", "seed=1", "recipe.batch_size=100"]
MIXED += ["recipe.epochs=2", "recipe.precision=bfloat16", "recipe.channels_last=true"]
MIXED += ["method_options.inference=stacked", "recipe.augmentation=[crop, flip]"]


def test_a_training_in_bfloat16_that_was_left_ends_with_the_same_record(tmp_path, device):
    settings = [*MIXED, "--device", str(device)]
    whole = run(tmp_path / "whole", settings)
    interrupt(tmp_path / "left", settings, 7)
    assert without_times(run(tmp_path / "left", settings)) == without_times(whole)


def test_a_training_with_graphs_has_the_numbers_of_one_without(tmp_path, device):
    """Up to the rounding of the rate, over epochs with evaluations in between."""
    settings = ["dataset=digits", "model=cnn", "method=local_lda", "seed=0", "recipe.epochs=3"]
    settings += ["method_options.inference=stacked", "--device", str(device)]
    plain, graphs = (run(tmp_path, [*settings, *more], f"run{len(more)}") for more in ([], GRAPHS))
    for one, other in zip(graphs["curves"], plain["curves"], strict=True):
        assert one["unit_loss"] == pytest.approx(other["unit_loss"], rel=0.02)
    assert graphs["test_accuracy"] == pytest.approx(plain["test_accuracy"], abs=1.5)
