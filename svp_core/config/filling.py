"""The options of a run, defaults filled in, and what follows from them alone; never needs torch."""

from collections.abc import Mapping

from svp_core.config.options import fill, plain

AXES = {"dataset": "datasets", "model": "models", "method": "methods", "metric": "metrics"}


def places(run: Mapping) -> dict[str, tuple[str, str]]:
    """Return folder and file that declare the options below each key of a run or cell."""
    return {
        "model_options": (AXES["model"], run["model"]),
        "method_options": (AXES["method"], run["method"]),
        "recipe": ("", "recipe"),
    }


def filled(run: Mapping) -> dict[str, dict]:
    """Return all options of a run or cell by key, defaults filled in; raises ConfigError."""
    return {key: plain(fill(*place, run[key], f"{key}.")) for key, place in places(run).items()}


def reach(run: Mapping) -> int | None:
    """Return how many consecutive blocks one loss of a run trains; raises ConfigError."""
    model, method, _ = (fill(*place, run[key]) for key, place in places(run).items())
    return method.reach(model.block_count)
