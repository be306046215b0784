"""What is measured on held-out images, one file each.

A file has either `total(log_probabilities, labels) -> Tensor`, a sum over the images of a batch,
(B, K) and (B,), with `value(total, count) -> float` of the sum over all of them: it is measured of
the network and of every unit that predicts. Or `of_features(features, labels) -> float`, of the
activations (N, d) of every unit on the first images, (N,) labels.
"""

from importlib import import_module
from types import ModuleType

from svp_core.config.pairs import ConfigError


def load(name: str) -> ModuleType:
    """Return the file of a metric; raises ConfigError if it measures nothing."""
    found = import_module(f"svp_core.metrics.{name}")
    if not (hasattr(found, "of_features") or hasattr(found, "total") and hasattr(found, "value")):
        raise ConfigError(f"metric {name}: its file has neither of_features nor total and value")
    return found
