"""Accuracy of the network and of every unit, and the other metrics that a run asks for."""

import base64
import time

import torch
from torch import Tensor

from svp_core import metrics
from svp_core.data.loading import ResidentImages
from svp_core.data.streaming import StreamedImages
from svp_core.methods import Method
from svp_core.runtime import interruption
from svp_core.spectrum import gram

EVALUATION_BATCH = 500  # images; values do not depend on it


@torch.no_grad()
def evaluate(
    method: Method, images: ResidentImages | StreamedImages, names: list[str]
) -> dict[str, float | list[float] | dict]:
    """Return `test_accuracy` and `unit_accuracy` in percent, and `metrics` by name.

    Of the network a metric is called `nll`, of its units, one value each, `unit_nll`, by another
    rule of inference `nll_mean`.
    """
    method.eval()
    values = of_predictions(having("total", ["accuracy", *names]), method, images)
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


@torch.no_grad()
def look_inside(method: Method, images: ResidentImages | StreamedImages, names: list[str]) -> dict:
    """Return `metrics` of all units' activations on these images, and what they took, in seconds.

    Of phi(h) a metric is called `unit_probe`, of v `unit_effective_rank_v`; one of layers says how.
    Of activations that are not finite, as after a divergence, there are none.
    """
    by_features, by_layers = having("of_features", names), having("of_layers", names)
    if not by_features and not by_layers:
        return {"metrics": {}, "analysis_seconds": 0.0}
    started = time.perf_counter()
    inside = look(method, images)
    values: dict[str, float | list] = {}
    if not all(one.features.isfinite().all() for one in inside.layers):
        by_features, by_layers = {}, {}
    for name, metric in by_features.items():
        interruption.check()
        values |= of_features(name, metric, inside)
    for metric in by_layers.values():
        interruption.check()
        values |= metric.of_layers(inside)
    return {"metrics": values, "analysis_seconds": time.perf_counter() - started}


def having(kind: str, names: list[str]) -> dict:
    """Return those of the metrics by name that measure in one way."""
    loaded = {name: metrics.load(name) for name in names}
    return {name: one for name, one in loaded.items() if hasattr(one, kind)}


def look(method: Method, images: ResidentImages | StreamedImages) -> metrics.Inside:
    """Return what the method makes of all the images, in one batch."""
    method.eval()
    batch, labels = next(iter(images.in_order(len(images))))
    return metrics.Inside(method, method.layers(batch), method.predict(batch), batch, labels)


def of_features(name: str, metric, inside: metrics.Inside) -> dict[str, list[float]]:
    """Return a metric of phi(h) of every unit and, where it is asked of them, of every v."""
    kinds = {f"unit_{name}": (metric.of_features, [one.features for one in inside.layers])}
    if hasattr(metric, "of_projected"):
        projected = [one.projected for one in inside.layers if one.projected is not None]
        kinds |= {f"unit_{name}_v": (metric.of_projected, projected)} if projected else {}
    return {
        key: [float(measure(one, inside.labels)) for one in values]
        for key, (measure, values) in kinds.items()
    }


@torch.no_grad()
def representations(method: Method, images: ResidentImages | StreamedImages) -> dict:
    """Return `representations` of these images, and what they took, in seconds.

    Those are the labels (N,), and of every unit's phi(h) the Gram matrix of centred features, its
    upper triangle, row by row, as little-endian float16 in base64, divided by its largest entry.
    """
    started = time.perf_counter()
    inside = look(method, images)
    found = {
        "labels": inside.labels.tolist(),
        "grams": [packed(gram(one.features)) for one in inside.layers],
    }
    return {"representations": found, "analysis_seconds": time.perf_counter() - started}


def packed(products: Tensor) -> str:
    """Return a symmetric matrix (N, N) as text."""
    upper = products[tuple(torch.triu_indices(*products.shape))]
    values = (upper / upper.abs().max().clamp(min=torch.finfo(upper.dtype).tiny)).half()
    return base64.b64encode(values.cpu().numpy().astype("<f2").tobytes()).decode()
