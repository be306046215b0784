"""From a run as its author wrote it to a resolved config; free of torch, so that it is cheap."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from pkgutil import iter_modules

import yaml
from jsonschema import Draft202012Validator

from svp_core import combinations
from svp_core.config.pairs import ConfigError

HERE = Path(__file__).parent


@cache
def schema() -> dict:
    """The JSON schema of a run, with option names, ranges, defaults and meanings."""
    return yaml.safe_load((HERE / "run.schema.yaml").read_text())


def resolve(run: Mapping) -> dict:
    """Return the run with every default filled in.

    Raises ConfigError for an unknown key, a value out of range or an impossible combination.
    """
    config = checked(run, schema(), "")
    require_file("dataset", config["dataset"])
    for axis in ("model", "method"):
        config[f"{axis}_options"] = options(axis, config[axis], config[f"{axis}_options"])
    config["recipe"] = checked(config["recipe"], schema()["$defs"]["recipe"], "recipe.")
    if offence := combinations.offence(config):
        raise ConfigError(offence)
    return config


def options(axis: str, name: str, given: Mapping, path: str = "") -> dict:
    """Return all options of the model or method `name`, defaults filled in.

    Raises ConfigError, in which `path` (`model_options.` or `method_options.`) precedes the key.
    """
    require_file(axis, name)
    known = schema()["$defs"][f"{axis}s"]
    if name not in known:
        raise ConfigError(f"{axis}: {name!r} has no options in run.schema.yaml ($defs.{axis}s)")
    return checked(given, known[name], path or f"{axis}_options.")


def require_file(axis: str, name: str, path: str = "") -> None:
    """Raise ConfigError unless `name` is a file of that axis; `path` says who asks for it."""
    names = sorted(module.name for module in iter_modules([str(HERE / f"{axis}s")]))
    if name not in names:
        raise ConfigError(f"{path}{axis}: {name!r} is not one of {names}")


def checked(given: Mapping, rules: dict, prefix: str) -> dict:
    filled = {
        key: deepcopy(rule["default"])
        for key, rule in rules.get("properties", {}).items()
        if "default" in rule
    }
    filled.update(deepcopy(dict(given)))
    validator = Draft202012Validator({**rules, "$defs": schema()["$defs"]})
    error = next(iter(sorted(validator.iter_errors(filled), key=lambda e: e.json_path)), None)
    if error:
        where = prefix + ".".join(map(str, error.absolute_path))
        raise ConfigError(f"{where.rstrip('.')}: {error.message}" if where else error.message)
    return filled
