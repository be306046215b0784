"""What is measured on held-out images, one file each.

A file has either `total(log_probabilities, labels) -> Tensor`, a sum over the images of a batch,
(B, K) and (B,), with `value(total, count) -> float` of the sum over all of them: it is measured of
the network and of every unit that predicts. Or `of_features(features, labels) -> float`, of the
activations (N, d) of every unit on the first images, (N,) labels.
"""

from importlib import import_module
from types import ModuleType


def load(name: str) -> ModuleType:
    """Return the file of a metric."""
    return import_module(f"svp_core.metrics.{name}")
