"""Metrics on held-out images: against formulas of others, of every unit, after every epoch."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
import yaml
from networks import batch, build, build_method
from new_files import write
from torch.nn import functional as F

from svp_core import metrics
from svp_core.train import main
from svp_core.training import evaluation

SCHEMA = Path(__file__).parents[1] / "svp_core/training/record.schema.yaml"
SPREAD = '''"""Variance of the features; a new file."""


def of_features(features, labels):
    assert len(features) == len(labels) <= 400
    return features.double().var().item()
'''


def measured(name: str, log_probabilities: torch.Tensor, labels: torch.Tensor) -> float:
    metric = metrics.load(name)
    return metric.value(metric.total(log_probabilities, labels), len(labels))


def random_predictions(seed: int, spread: float = 2.0, count: int = 400):
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(count, 10, generator=generator)
    return logits, torch.randint(10, (count,), generator=generator)


@pytest.mark.parametrize("seed", range(3))
def test_nll_is_the_cross_entropy_of_the_logits(seed):
    logits, labels = random_predictions(seed)
    expected = F.cross_entropy(logits.double(), labels).item()
    assert measured("nll", logits.log_softmax(dim=1), labels) == pytest.approx(expected, rel=1e-6)


def ece(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Guo et al. 2017, equation 3, as it is written: 15 bins ((m-1)/15, m/15]."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    error = 0.0
    for m in range(1, 16):
        inside = (confidence > (m - 1) / 15) & (confidence <= m / 15)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            error += inside.sum() / len(labels) * gap
    return error


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_ece_is_that_of_an_independent_implementation(seed, spread):
    logits, labels = random_predictions(seed, spread)
    posterior = logits.log_softmax(dim=1)
    expected = ece(posterior.double().exp().numpy(), labels.numpy())
    assert 0 < expected < 1
    assert measured("ece", posterior, labels) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("shift", "expected"), [(0, 0.0), (1, 1.0)])
def test_ece_of_the_certain_is_none_if_right_and_all_if_wrong(shift, expected):
    labels = torch.arange(40) % 10
    posterior = (1e4 * F.one_hot((labels + shift) % 10, 10).float()).log_softmax(dim=1)
    assert measured("ece", posterior, labels) == expected


def test_ece_of_a_guess_is_its_distance_from_chance():
    """Confidence 1/2 in the first of two classes, which is right in three of four images."""
    posterior = torch.full((8, 2), 0.5, dtype=torch.float64).log()
    labels = torch.tensor([0, 0, 0, 1] * 2)
    assert measured("ece", posterior, labels) == pytest.approx(0.25)


def test_ece_has_the_certain_and_the_almost_certain_in_one_bin():
    """Of (14/15, 1], wrong at 1 and right at 0.96 are off by half of 1 - 0.04."""
    posterior = torch.tensor([[1.0, 0.0], [0.96, 0.04]], dtype=torch.float64).log()
    assert measured("ece", posterior, torch.tensor([1, 0])) == pytest.approx(0.48)


class Images:
    """Random images as a test set hands them out."""

    device = torch.device("cpu")

    def __init__(self, count: int):
        self.images, self.labels = batch((3, 32, 32), count)

    def __len__(self):
        return len(self.labels)

    def in_order(self, size):
        yield from zip(self.images.split(size), self.labels.split(size), strict=True)


METHODS = {"bp": 1, "svp": 3, "predsim": 3, "local_lda": 3}  # units that predict, of three blocks
RULES = {"bp": [], "svp": ["last", "mean"], "predsim": ["last", "mean"]}  # those that are measured
RULES["local_lda"] = ["last", "mean", "stacked"]
ACCURACIES = {"accuracy_last", "accuracy_mean"}  # by the rules of svp, after every epoch


def method_on_three_blocks(name: str, images: Images):
    """After a step: what keeps statistics has seen some."""
    method = build_method(build("mlp", depth=3, width=16), name)
    method.step(images.images, images.labels)
    return method


@pytest.mark.parametrize("name", METHODS)
def test_values_do_not_depend_on_the_evaluation_batch(name, monkeypatch):
    images, found = Images(50), []
    method = method_on_three_blocks(name, images)
    for size in (50, 7, 1):
        monkeypatch.setattr(evaluation, "EVALUATION_BATCH", size)
        found.append(evaluation.evaluate(method, images, ["nll", "ece"]))
    for other in found[1:]:
        assert other["test_accuracy"] == found[0]["test_accuracy"]
        assert other["unit_accuracy"] == found[0]["unit_accuracy"]
        for key, value in found[0]["metrics"].items():
            assert other["metrics"][key] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_a_metric_is_of_the_network_and_of_every_unit_that_predicts(name):
    images = Images(50)
    method = method_on_three_blocks(name, images)
    found = evaluation.evaluate(method, images, ["nll", "ece"])
    rules = RULES[name]
    expected = {f"accuracy_{rule}" for rule in rules}
    for key in ("nll", "ece"):
        expected |= {key, f"unit_{key}", *(f"{key}_{rule}" for rule in rules)}
    assert set(found["metrics"]) == expected
    with torch.no_grad():
        predictions = method.predict(images.images)
    for key in ("nll", "ece"):
        of_units = [measured(key, one, images.labels) for one in predictions.units]
        assert len(of_units) == METHODS[name]
        assert found["metrics"][f"unit_{key}"] == pytest.approx(of_units)
        network = measured(key, predictions.network, images.labels)
        assert found["metrics"][key] == pytest.approx(network)


@pytest.mark.parametrize("name", METHODS)
def test_a_metric_of_features_has_one_value_a_block_or_unit(name, package):
    write(package, "metrics/spread.py", SPREAD)
    images = Images(300)
    method = method_on_three_blocks(name, images)
    found = evaluation.look_inside(method, images, ["nll", "spread"])
    features = method.features(images.images)
    assert [one.shape for one in features] == [(300, 16)] * 3
    expected = [one.double().var().item() for one in features]
    assert found["metrics"] == {"unit_spread": pytest.approx(expected)}
    assert found["analysis_seconds"] > 0


def record_of(folder: Path, *settings: str) -> dict:
    run = ["dataset=digits", "model=mlp", "method=svp", "seed=0", "model_options.width=16"]
    output = folder / "run.json"
    command = [*run, "recipe.epochs=3", *settings, "--output", str(output), "--threads", "1"]
    assert main(command) == 0
    record = json.loads(output.read_text())
    jsonschema.validate(record, yaml.safe_load(SCHEMA.read_text()))
    return record


NAMES = ACCURACIES | {f"{one}{rule}" for one in ("nll", "ece") for rule in ("", "_last", "_mean")}
NAMES |= {"unit_nll", "unit_ece"}


def test_metrics_are_those_of_the_last_epoch_unless_every_epoch_is_asked_for(tmp_path, package):
    write(package, "metrics/spread.py", SPREAD)
    last = record_of(tmp_path)
    every = record_of(tmp_path, "metrics_every=1", "metrics=[nll, ece, spread]")
    assert [set(entry["metrics"]) for entry in last["curves"]] == [ACCURACIES, ACCURACIES, NAMES]
    wanted = NAMES | {"unit_spread"}
    assert [set(entry["metrics"]) for entry in every["curves"]] == [wanted] * 3
    for record in (last, every):
        final = record["curves"][-1]
        assert record["metrics"] == final["metrics"] | {"unit_accuracy": final["unit_accuracy"]}
    assert last["metrics"].items() <= every["metrics"].items()
    for one, other in zip(last["curves"], every["curves"], strict=True):
        for key in ("unit_loss", "test_accuracy", "unit_accuracy"):
            assert one[key] == other[key]  # what is measured changes nothing in what is trained
    nll = [entry["metrics"]["nll"] for entry in every["curves"]]
    assert nll[-1] < nll[0]


def test_a_run_may_ask_for_no_metric(tmp_path):
    record = record_of(tmp_path, "metrics=[]", "recipe.train_images=200")
    assert set(record["metrics"]) == {"unit_accuracy"} | ACCURACIES
    assert record["test_accuracy"] == record["metrics"]["accuracy_last"] > 0


def test_a_metric_that_measures_nothing_is_refused_before_the_training(tmp_path, package, capsys):
    write(package, "metrics/spread.py", SPREAD.replace("of_features", "of_feature"))
    settings = ["dataset=digits", "model=mlp", "method=svp", "seed=0", "metrics=[spread]"]
    assert main([*settings, "--output", str(tmp_path / "run.json")]) == 1
    printed = capsys.readouterr()
    assert "metric spread: its file has none of of_features, of_layers, total" in printed.err
    assert "epoch" not in printed.out and not (tmp_path / "run.json").exists()
