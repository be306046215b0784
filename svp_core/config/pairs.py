"""Settings as key=value pairs: how a command line writes a nested config."""

import json
import re
from collections.abc import Iterable, Mapping

import yaml


class ConfigError(ValueError):
    """A config that cannot be run; the message names the key and the offence."""


def parse_pairs(pairs: Iterable[str]) -> dict:
    """Turn `recipe.lr=0.01 seed=3` into a nested mapping; values are YAML.

    Raises ConfigError for a pair without `=` or a key given twice.
    """
    tree: dict = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"{pair!r} is not of the form key=value")
        *parents, leaf = key.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        if not isinstance(node, dict) or leaf in node:
            raise ConfigError(f"{key}: given twice")
        node[leaf] = yaml.load(value, Loader=_Loader)
    return tree


def format_pairs(config: Mapping, prefix: str = "") -> list[str]:
    """Turn a nested mapping into the pairs that `parse_pairs` reads back."""
    pairs = []
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            pairs += format_pairs(value, f"{prefix}{key}.")
        else:
            plain = isinstance(value, str) and yaml.load(value, Loader=_Loader) == value
            pairs.append(f"{prefix}{key}={value if plain else json.dumps(value)}")
    return pairs


class _Loader(yaml.SafeLoader):
    """YAML that reads 1e-3 as the number it is, not as a string (YAML 1.1 wants 1.0e-3)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+0123456789."),
)
