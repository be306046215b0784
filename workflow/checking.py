"""Is a config what its schema allows, and is every key there once? Before anything is planned."""

from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import yaml
from referencing import Registry, Resource

from svp_core.config import AXES, options, require_file, texts
from svp_core.config.pairs import ConfigError

SCHEMA = Path(__file__).parent / "schemas" / "config.schema.yaml"


def read_words(config: MutableMapping) -> None:
    """Take true and false for what they say; Snakemake reads --config KEY=true as a word."""
    words = {"true": True, "false": False}
    config |= {key: words[one] for key, one in config.items() if one in ("true", "false")}


def check(config: Mapping, files: Iterable[str | Path] = ()) -> None:
    """Raise ConfigError, naming the key, or the file that Snakemake has read it from."""
    for file in files:
        texts.read_file(Path(file))  # of a key that stands twice Snakemake takes the last
    rules = yaml.safe_load(SCHEMA.read_text()) | {"$id": SCHEMA.as_uri()}
    options.checked(config, rules, "config ", registry=Registry(retrieve=retrieve))


def retrieve(uri: str) -> Resource:
    """Return a schema that another refers to by its place beside it."""
    text = Path(url2pathname(urlparse(uri).path)).read_text()
    return Resource.from_contents(yaml.safe_load(text))


def refuse_unknown_names(config: Mapping) -> None:
    """Stop at a name that does not exist, and at options that no run would have."""
    named = [("method", "baseline", config["baseline"])]
    named += [("metric", "metrics", metric) for metric in config["metrics"]]
    named += [("dataset", "target_accuracy", dataset) for dataset in config["target_accuracy"]]
    for axis in ("dataset", "model", "method"):
        named += [(axis, "grid", name) for name in config["grid"][axis]]
    named += [("method", f"variants.{one['name']}", one["method"]) for one in config["variants"]]
    asked = [("ablations", config["ablations"]["tasks"])]
    asked += [(f"variants.{one['name']}", one.get("tasks", ())) for one in config["variants"]]
    for key, tasks in asked:
        for dataset, model in (task.split("/") for task in tasks):
            named += [("dataset", f"{key}.tasks", dataset), ("model", f"{key}.tasks", model)]
    try:
        for axis, key, name in named:
            require_file(axis, name, f"{key}.")
        for task, given in config["tasks"].items():
            refuse_unknown_options(task, given)
    except ConfigError as error:
        raise ConfigError(f"config {error}") from None


def refuse_unknown_options(task: str, given: Mapping) -> None:
    """Check what a task says of its model, its recipe and its methods."""
    dataset, model = task.split("/")
    require_file("dataset", dataset, f"tasks.{task}.")
    require_file("model", model, f"tasks.{task}.")
    kinds = {"recipe": ("", "recipe"), "model": (AXES["model"], model)}
    for key, values in given.items():
        if key != "own" and key not in kinds:
            require_file("method", key, f"tasks.{task}.")
            options.fill(AXES["method"], key, values, f"tasks.{task}.{key}.")
        elif key in kinds:
            options.fill(*kinds[key], values, f"tasks.{task}.{key}.")
    for method, changes in given.get("own", {}).items():
        require_file("method", method, f"tasks.{task}.own.")
        if not isinstance(changes, Mapping):
            raise ConfigError(f"tasks.{task}.own.{method}: {changes} is not a mapping")
        for key, values in changes.items():
            if key not in kinds:
                raise ConfigError(f"tasks.{task}.own.{method}.{key}: not one of {sorted(kinds)}")
            options.fill(*kinds[key], values, f"tasks.{task}.own.{method}.{key}.")
