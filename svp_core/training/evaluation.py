"""Accuracy of the network and of every unit, and the other metrics that a run asks for."""

import torch
from torch import Tensor

from svp_core import metrics
from svp_core.data.loading import ResidentImages
from svp_core.data.streaming import StreamedImages
from svp_core.methods import Method
from svp_core.runtime import interruption

EVALUATION_BATCH = 500  # images; values do not depend on it
FEATURE_IMAGES = 1000  # of which activations are looked at


@torch.no_grad()
def evaluate(
    method: Method, images: ResidentImages | StreamedImages, names: list[str]
) -> dict[str, float | list[float] | dict]:
    """Return `test_accuracy` and `unit_accuracy` in percent, and `metrics` by name.

    Of the network a metric is called `nll`, of its units, one value each, `unit_nll`, by another
    rule of inference `nll_mean`.
    """
    method.eval()
    loaded = {name: metrics.load(name) for name in ("accuracy", *names)}
    values = of_predictions(
        {name: one for name, one in loaded.items() if hasattr(one, "total")}, method, images
    )
    by_features = {name: one for name, one in loaded.items() if hasattr(one, "of_features")}
    values |= of_features(by_features, method, images) if by_features else {}
    own = {"test_accuracy": values.pop("accuracy"), "unit_accuracy": values.pop("unit_accuracy")}
    return own | {"metrics": values}


def of_predictions(chosen: dict, method: Method, images) -> dict[str, float | list[float]]:
    """Return the metrics of the network's and the units' predictions."""
    totals: dict[str, list[Tensor]] = {}
    for batch, labels in images.in_order(EVALUATION_BATCH):
        interruption.check()
        units, network, rules = method.predict(batch)
        for name, metric in chosen.items():
            found = [metric.total(one, labels) for one in (network, *rules.values(), *units)]
            before = totals.get(name, [0] * len(found))
            totals[name] = [one + other for one, other in zip(before, found, strict=True)]
    values: dict[str, float | list[float]] = {}
    for name, metric in chosen.items():
        network, *others = (float(metric.value(one, len(images))) for one in totals[name])
        values |= {name: network, f"unit_{name}": others[len(rules) :]}
        values |= {f"{name}_{rule}": one for rule, one in zip(rules, others, strict=False)}
    return values


def of_features(chosen: dict, method: Method, images) -> dict[str, list[float]]:
    """Return the metrics of the activations of every unit on the first images."""
    batch, labels = next(iter(images.in_order(FEATURE_IMAGES)))
    features = method.features(batch)
    return {
        f"unit_{name}": [float(metric.of_features(one, labels)) for one in features]
        for name, metric in chosen.items()
    }
