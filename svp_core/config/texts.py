"""Texts that settings are written in, YAML and JSON: a key that stands twice is refused."""

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml


class ConfigError(ValueError):
    """A config that cannot be run; the message names the key and the offence."""


class Loader(yaml.SafeLoader):
    """YAML without repeated keys, the first of which would be lost in silence."""

    def construct_mapping(self, node, deep=False):
        if isinstance(node, yaml.MappingNode):
            self.refuse_repeated(node)
        return super().construct_mapping(node, deep)

    def refuse_repeated(self, node: yaml.MappingNode) -> None:
        """Look at the keys as they are written, before `<<` merges others in."""
        seen = set()
        for place, _ in node.value:
            key = None if place.value == "<<" else self.construct_object(place, deep=True)
            if isinstance(key, Hashable) and key is not None:
                if key in seen:
                    problem = f"the key {key!r} stands twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, place.start_mark)
                seen.add(key)


class CommandLoader(Loader):
    """YAML that reads 1e-3 as the number it is, not as a string (YAML 1.1 wants 1.0e-3)."""


CommandLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)


def from_yaml(text: str, loader: type[yaml.SafeLoader] = Loader) -> Any:
    """Return what a text holds; raises ConfigError, with the line, if it cannot be read."""
    try:
        return yaml.load(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError(f"not YAML: {line}{error.problem}") from None
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        # of dates that are none, numbers without digits, brackets without end
        raise ConfigError(f"not YAML: {' '.join(str(error).split())}") from None


def from_json(text: str) -> Any:
    """Return what a text holds; raises ConfigError if it cannot be read."""
    try:
        return json.loads(text, object_pairs_hook=unrepeated)
    except json.JSONDecodeError as error:
        raise ConfigError(f"not JSON: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not JSON: {error}") from None


def unrepeated(pairs: list[tuple[str, Any]]) -> dict:
    """Return the mapping of an object of JSON."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} twice")
    return found


def read(path: Path) -> str:
    """Return the text of a file; raises ConfigError, naming it."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except ValueError:
        raise ConfigError(f"{path}: not a text in UTF-8") from None


def read_file(path: Path) -> Any:
    """Return what a file holds, JSON if it is, or else YAML; raises ConfigError, naming it."""
    text = read(path)
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        load = from_yaml
    else:
        load = from_json
    try:
        return load(text)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
