"""What is measured on held-out images, one file each.

A file has at least one of three things. `total(log_probabilities, labels) -> Tensor`, a sum over
the images of a batch, (B, K) and (B,), with `value(total, count) -> float` of the sum over all of
them: it is measured of the network and of every unit that predicts. `of_features(features, labels)
-> float` of phi(h) (N, d) of every unit on some images, (N,) labels; with `of_projected`, of v as
well, where there is one. `of_layers(inside) -> dict` of all units together: values by their names,
a float of the network or a list, one value or None a unit; with
`READS_NETWORK = True` where it needs the method itself, not what that made of the images alone.
"""

from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from torch import Tensor

from svp_core.config.pairs import ConfigError
from svp_core.methods import Layer, Method, Predictions

KINDS = ("of_features", "of_layers", "total")


class Inside(NamedTuple):
    """A network and what it makes of some held-out images (N, C, H, W), (N,)."""

    method: Method
    layers: list[Layer]
    predictions: Predictions
    images: Tensor
    labels: Tensor


def load(name: str) -> ModuleType:
    """Return the file of a metric; raises ConfigError if it measures nothing."""
    found = import_module(f"svp_core.metrics.{name}")
    if not any(hasattr(found, kind) for kind in KINDS):
        raise ConfigError(f"metric {name}: its file has none of {', '.join(KINDS)}")
    if hasattr(found, "total") and not hasattr(found, "value"):
        raise ConfigError(f"metric {name}: its file has total, but no value")
    return found
