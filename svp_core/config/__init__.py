"""From a run as its author wrote it to a resolved config; free of torch, so that it is cheap."""

import json
from collections.abc import Iterator, Mapping
from functools import cache, partial

from svp_core import datasets
from svp_core.config import options
from svp_core.config.filling import AXES, filled, places
from svp_core.config.pairs import ConfigError
from svp_core.config.run import Run
from svp_core.data import own

NAME = {"type": "string", "pattern": "^[a-zA-Z0-9_.+-]+$"}
OPTIONS = {"type": "object", "default": {}}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["dataset", "model", "method", "seed"],
    "properties": {
        "dataset": {"description": "a file of svp_core/datasets", "type": "string"},
        "model": {"description": "a file of svp_core/models", "type": "string"},
        "model_options": {"description": "sizes of the model"} | OPTIONS,
        "method": {"description": "a file of svp_core/methods", "type": "string"},
        "method_options": {"description": "options of the method"} | OPTIONS,
        "variant": {
            "description": "name of what differs from the settings of its task",
            "default": "default",
        }
        | NAME,
        "seed": {
            "description": "decides initial weights, data order and projections",
            "type": "integer",
            "minimum": 0,
        },
        "recipe": {"description": "how the parameters are trained, for every method"} | OPTIONS,
        "metrics": {
            "description": "files of svp_core/metrics, measured on the test images",
            "type": "array",
            "items": {"type": "string"},
            "uniqueItems": True,
            "default": ["nll", "ece"],
        },
        "metrics_every_epoch": {
            "description": "after every epoch, not only after the last",
            "type": "boolean",
            "default": False,
        },
    },
}


def resolve(run: Mapping) -> dict:
    """Return the run with every default filled in.

    Raises ConfigError for an unknown key, a value out of range or an impossible combination.
    """
    config = options.checked(run, SCHEMA, "")
    for axis in ("dataset", "model", "method"):
        require_file(axis, config[axis])
    for metric in config["metrics"]:
        require_file("metric", metric)
    config |= filled(config)
    facts = datasets.facts(config["dataset"])
    for offence in refusals(config, facts.shape, facts.classes, facts.train_size):
        raise ConfigError(offence)
    return config


def refusals(
    config: Mapping, image_shape: tuple[int, ...], classes: int, train_size: int | None = None
) -> Iterator[str]:
    """Yield what is impossible in a resolved run or cell, each `key: reason`."""
    model, method, recipe = (
        options.fill(*place, config[key]) for key, place in places(config).items()
    )
    if method.models and config["model"] not in method.models:
        known = ", ".join(method.models)
        yield f"model: {config['method']} is defined for {known}, not for {config['model']}"
        return  # its options mean nothing there
    sizes = json.dumps(config["model_options"])
    find_widths = partial(block_widths, config["model"], tuple(image_shape), sizes)
    run = Run(tuple(image_shape), classes, train_size, config["model"], model, recipe, find_widths)
    yield from offences(run, method)


def offences(run: Run, method: options.OptionSet) -> Iterator[str]:
    """Yield what recipe, model and method refuse in each other, each `key: reason`."""
    named = {"recipe": run.recipe, "model_options": run.model, "method_options": method}
    for path, one in named.items():
        for offence in options.refusals(one, run):
            yield f"{path}.{offence}"


@cache
def block_widths(model: str, image_shape: tuple[int, int, int], sizes: str) -> list[int]:
    """Return d_i of every block, from the model itself; `sizes` is the JSON of its options."""
    import torch

    from svp_core import models

    with torch.device("meta"):
        filled = options.fill("models", model, json.loads(sizes))
        return models.build(model, image_shape, filled, seed=0).widths


def require_file(axis: str, name: str, path: str = "") -> None:
    """Raise ConfigError unless `name` is a file of that axis; `path` says who asks for it."""
    known = options.names(AXES[axis])
    if axis == "dataset":
        known = known + own.names()
    if name not in known:
        raise ConfigError(f"{path}{axis}: {name!r} is not one of {known}")


def is_same(recorded: Mapping, planned: Mapping) -> bool:
    """Whether a recorded config is the planned one but for options added since, by default."""
    try:
        return recorded == planned or resolve(recorded) == planned
    except (ConfigError, TypeError):
        return False
