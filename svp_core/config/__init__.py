"""From a run as its author wrote it to a resolved config; free of torch, so that it is cheap."""

import json
from collections.abc import Iterator, Mapping
from functools import cache

from svp_core import datasets
from svp_core.config import options
from svp_core.config.filling import AXES, filled, places
from svp_core.config.pairs import ConfigError
from svp_core.config.run import Run
from svp_core.data import own

# a folder's name: file systems end at 255 bytes, and `..` is another folder
NAME = {"type": "string", "pattern": "^[a-zA-Z0-9_+-][a-zA-Z0-9_.+-]*$", "maxLength": 200}
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
            "maximum": 2**32 - 1,  # of NumPy, and exact in every reader of tables
        },
        "recipe": {"description": "how the parameters are trained, for every method"} | OPTIONS,
        "metrics": {
            "description": "files of svp_core/metrics, measured on the test images",
            "type": "array",
            "items": {"type": "string"},
            "uniqueItems": True,
            "default": ["nll", "ece"],
        },
        "metrics_every": {
            "description": "epochs from one measurement to the next; null measures after the last"
            " one alone, which is measured in any case",
            "type": ["integer", "null"],
            "minimum": 1,
            "default": None,
        },
        "metrics_images": {
            "description": "test images, of every class in proportion, that metrics of units'"
            " activations look at; others look at all of them",
            "type": "integer",
            "minimum": 50,
            "default": 400,
        },
        "gram_images": {
            "description": "test images of which the record keeps inner products of activations,"
            " for comparisons of units and runs (CKA, PCA); 0 keeps none",
            "type": "integer",
            "minimum": 0,
            "default": 0,
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

    def find_widths() -> list[int]:
        return model.block_widths or block_widths(config["model"], tuple(image_shape), sizes)

    chosen = config["model"], model, config["method"], method, recipe
    yield from offences(Run(tuple(image_shape), classes, train_size, *chosen, find_widths))
    if recipe.batch_size == recipe.micro_batches:
        yield from one_value_offences(config["model"], tuple(image_shape), sizes)


def offences(run: Run) -> Iterator[str]:
    """Yield what recipe, model and method refuse in each other, each `key: reason`."""
    named = {"recipe": run.recipe, "model_options": run.model, "method_options": run.method}
    for path, one in named.items():
        for offence in options.refusals(one, run):
            yield f"{path}.{offence}"


@cache
def block_widths(model: str, image_shape: tuple[int, int, int], sizes: str) -> list[int]:
    """Return d_i of every block, from the model itself; `sizes` is the JSON of its options."""
    return build_without_contents(model, image_shape, sizes).widths


@cache
def one_value_offences(model: str, image_shape: tuple[int, int, int], sizes: str) -> list[str]:
    """Return why a model cannot be trained on one image at a time: a batch norm of one value."""
    import torch

    blocks = build_without_contents(model, image_shape, sizes).blocks
    hidden = torch.zeros(1, *image_shape, device="meta")
    try:
        for block in blocks:
            hidden = block(hidden)
    except ValueError as error:
        return [f"recipe.batch_size: one image a step, or a part of it: {error}"]
    return []


def build_without_contents(model: str, image_shape: tuple[int, int, int], sizes: str):
    """Return the model on the meta device; raises ConfigError if torch cannot have its sizes."""
    import torch

    from svp_core import models

    filled = options.fill("models", model, json.loads(sizes))
    try:
        with torch.device("meta"):
            return models.build(model, image_shape, filled, seed=0)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"model_options: torch cannot build the model: {reason}") from None


def require_file(axis: str, name: str, path: str = "") -> None:
    """Raise ConfigError unless `name` is a file of that axis; `path` says who asks for it."""
    known = options.names(AXES[axis])
    if axis == "dataset":
        known = known + own.names()
    if name not in known:
        raise ConfigError(f"{path}{axis}: {name!r} is not one of {known}")
