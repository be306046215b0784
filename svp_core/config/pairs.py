"""Settings as key=value pairs: how a command line writes a nested config."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from svp_core.config.texts import CommandLoader, ConfigError, from_yaml


def parse_pairs(pairs: Iterable[str]) -> dict:
    """Turn `recipe.lr=0.01 seed=3` into a nested mapping; values are YAML.

    Raises ConfigError for a pair without `=`, a key given twice or a value that is no YAML.
    """
    tree: dict = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"{pair!r} is not of the form key=value")
        *parents, leaf = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict) or leaf in node:
            raise ConfigError(f"{key}: given twice")
        node[leaf] = read_value(key, value)
    return tree


def read_value(key: str, text: str) -> Any:
    """Return the value that a text means; raises ConfigError."""
    try:
        return from_yaml(text, CommandLoader)
    except ConfigError as error:
        raise ConfigError(f"{key}: {text[:60]!r} is {error}") from None


def format_pairs(config: Mapping, prefix: str = "") -> list[str]:
    """Turn a nested mapping into the pairs that `parse_pairs` reads back."""
    pairs = []
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            pairs += format_pairs(value, f"{prefix}{key}.")
        else:
            pairs.append(f"{prefix}{key}={value if is_plain(value) else json.dumps(value)}")
    return pairs


def is_plain(value: Any) -> bool:
    """Whether a value is a text that means itself, without quotes."""
    try:
        return isinstance(value, str) and from_yaml(value, CommandLoader) == value
    except ConfigError:
        return False
