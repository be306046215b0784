"""A run as the tasks of a config have it, before it is resolved, and with changes."""

from collections.abc import Mapping

from svp_core.config import options, places, require_file
from svp_core.config.pairs import ConfigError

MEASURED = ("metrics", "metrics_every", "metrics_images", "gram_images")  # of every run alike


def base_run(config: Mapping, task: str, method: str, wanted_by: str) -> dict:
    """Return the run of a method on a task, without variant and seed; raises ConfigError."""
    for axis, name in zip(("dataset", "model"), task.split("/"), strict=False):
        require_file(axis, name, f"{task}: ")
    if task not in config["tasks"]:
        raise ConfigError(f"config tasks.{task}: missing, but {wanted_by} asks for it")
    dataset, model = task.split("/")
    given = config["tasks"][task]
    own = given.get("own", {}).get(method, {})  # each method may be trained as it is best
    return {
        "dataset": dataset,
        "model": model,
        "method": method,
        "model_options": given.get("model", {}) | own.get("model", {}),
        "method_options": given.get(method, {}),
        "recipe": given.get("recipe", {}) | own.get("recipe", {}),
        **{key: config[key] for key in MEASURED},
    }


def changed(run: dict, changes: Mapping[str, Mapping]) -> dict:
    """Return a run with other options; those of a part that is replaced go with it."""
    return run | {
        key: options.merged(*place, run[key], changes.get(key, {}))
        for key, place in places(run).items()
    }
