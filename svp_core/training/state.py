"""What a checkpoint holds: whether all of it is there, before a training goes on from it."""

import json
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from svp_core.config import options
from svp_core.config.options import OptionSet
from svp_core.config.pairs import ConfigError
from svp_core.recipe import learning_rate
from svp_core.records import RUN_SCHEMA
from svp_core.training import record

WRITTEN = ("config", "environments", "curves")  # as in a record
PLACE = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "required": ["step", "seconds", "joules"],
    "properties": {
        "step": {"type": "integer", "minimum": 1},
        "seconds": {"type": "number", "minimum": 0},
        "joules": {"type": ["number", "null"], "minimum": 0},
    },
}
RULES = {
    "$defs": RUN_SCHEMA["$defs"],
    "type": "object",
    "properties": {key: RUN_SCHEMA["properties"][key] for key in WRITTEN} | {"position": PLACE},
}
DRAWS = ("noise", "cuda_noise")  # of a position, states of generators


def outline(value: Any) -> Any:
    """Return the form of a state: keys and lengths, and of tensors shapes and types."""
    if isinstance(value, Mapping):
        return {key: outline(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [outline(item) for item in value]
    if isinstance(value, Tensor):
        return f"{value.dtype} {list(value.shape)}"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number else type(value).__name__


def difference(found: Any, wanted: Any, place: str) -> str | None:
    """Return where two outlines differ first, None if they do not."""
    if type(found) is not type(wanted):
        return place
    if not isinstance(wanted, dict | list):
        return None if found == wanted else place
    if isinstance(wanted, list):
        found, wanted = dict(enumerate(found)), dict(enumerate(wanted))
    if found.keys() != wanted.keys():
        return place
    places = (difference(found[key], wanted[key], f"{place}.{key}") for key in wanted)
    return next(filter(None, places), None)


def fault(state: Mapping, form: Mapping, recipe: OptionSet, steps: int) -> str | None:
    """Return what is wrong with a state of this config, None if nothing is.

    `form` is the outline of the method's state in an epoch, which is of so many steps.
    """
    try:
        json.dumps([state[key] for key in WRITTEN])
        position = None if state["position"] is None else dict(state["position"])
        draws = {} if position is None else {key: position.pop(key, None) for key in DRAWS}
        written = {key: state[key] for key in WRITTEN} | {"position": position}
        options.checked(record.finite(written), RULES, "")
    except (ConfigError, TypeError, ValueError, RecursionError) as error:
        return str(error)
    within, done = form if position is not None else dict(form) | {"sums": {}}, len(state["curves"])
    return (
        curves_fault(state["curves"], recipe.epochs)
        or (position and position_fault(position, draws, steps, done < recipe.epochs))
        or difference(outline(state["method"]), within, "method")
        or rate_fault(state, recipe, steps)
    )


def rate_fault(state: Mapping, recipe: OptionSet, steps: int) -> str | None:
    """Compare the rates of the optimisers with that of the step that curves and position name."""
    epoch, position = len(state["curves"]), state["position"]
    done = (epoch, position["step"]) if position else (epoch - 1, steps)
    wanted = learning_rate(done[0] + (done[1] - 1 + 0.5) / steps, recipe) if done[0] >= 0 else None
    for group in (one for held in state["method"]["optimizers"] for one in held["param_groups"]):
        if wanted is None or group["lr"] != wanted * group.get("factor", 1.0):
            return f"curves, position: a learning rate of {group['lr']:g} is not theirs"
    return None


def curves_fault(curves: Iterable[Mapping], epochs: int) -> str | None:
    """Return what is wrong with the entries of finished epochs."""
    numbers = [entry["epoch"] for entry in curves]
    if numbers != list(range(1, len(numbers) + 1)) or len(numbers) > epochs:
        return f"curves: epochs {numbers[:5]} ... of {epochs}"
    if not all(isfinite(loss) for entry in curves for loss in entry["unit_loss"]):
        return "curves: a loss that is not finite"
    return None


def position_fault(position: Mapping, draws: Mapping, steps: int, is_left: bool) -> str | None:
    """Return what is wrong with a place within an epoch."""
    if position["step"] > steps or not is_left:
        return f"position.step: {position['step']} of {steps} steps of an epoch to come"
    if outline(draws["noise"]) != outline(torch.get_rng_state()):
        return "position.noise"
    is_known = draws["cuda_noise"] is None or isinstance(draws["cuda_noise"], Tensor)
    return None if is_known else "position.cuda_noise"
