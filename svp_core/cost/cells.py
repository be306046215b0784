"""The cells of a cost sweep: a model of certain sizes, trained by one method on random images."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from itertools import chain, product
from pathlib import Path

import yaml

from svp_core import provenance
from svp_core.config import filled, options, refusals, require_file
from svp_core.config.pairs import ConfigError

AXES = ("depth", "width", "batch", "image_size", "d0")


@cache
def schema() -> dict:
    """The JSON schema of a cost sweep."""
    return yaml.safe_load((Path(__file__).parent / "sweep.schema.yaml").read_text())


def resolve(given: Mapping) -> dict:
    """Return a cost sweep with every default filled in.

    Raises ConfigError for an unknown key, a value out of range or an impossible cell.
    """
    config = options.checked(given, schema(), "")
    require_file("model", config["model"])
    if not all(sweep.get("series") or config["series"] for sweep in config["sweeps"]):
        raise ConfigError("series: no method to measure")
    for one in resolved(config):
        for offence in refusals(one, one["image_shape"], one["classes"]):
            raise ConfigError(f"{one['name']} {one['method']} {one['variant']}: {offence}")
    return config


def resolved(config: dict) -> list[dict]:
    """Return all cells of a resolved config."""
    return list(chain.from_iterable(points(config)))


def points(config: dict) -> list[list[dict]]:
    """Return, for every size in the sweeps of a resolved config, the different cells there.

    They are compared with each other, whichever sweep they come from.
    """
    found: dict[str, list[dict]] = {}
    for sweep in config["sweeps"]:
        axes = {axis: sweep[axis] for axis in AXES if axis in sweep}
        for values in product(*axes.values()):
            for series in sweep.get("series") or config["series"]:
                one = cell(config, series, dict(zip(axes, values, strict=True)))
                size = one["model_options"], one["recipe"]["batch_size"], one["image_shape"]
                here = found.setdefault(str(size), [])
                if one not in here:  # such as BP, which a sweep of d0 repeats
                    here.append(one)
    return list(found.values())


def cell(config: dict, series: dict, sizes: dict) -> dict:
    """Return what is measured: the sizes of the point, all options of model, method and recipe."""
    series = options.checked(series, schema()["$defs"]["series"], "series.")
    require_file("method", series["method"])
    lengths = {axis: sizes[axis] for axis in ("depth", "width") if axis in sizes}
    known = {one.name for one in fields(options.declared("methods", series["method"]))}
    rows = {"d0": sizes["d0"]} if "d0" in sizes and "d0" in known else {}
    side = sizes.get("image_size", config["image_size"])
    recipe = series["recipe"] | {"batch_size": sizes.get("batch", config["batch"])}
    found = {
        "name": config["name"],
        "baseline": config["baseline"],
        "model": config["model"],
        "model_options": config["model_options"] | lengths,
        "method": series["method"],
        "variant": series["variant"],
        "headline": is_headline(config, series),
        "method_options": series["method_options"] | rows,
        "recipe": recipe,
        "image_shape": [config["channels"], side, side],
        "classes": config["classes"],
    }
    return found | filled(found)


def is_headline(config: dict, series: dict) -> bool:
    """Whether the config marks this series, wherever a sweep repeats it."""
    same = (one for one in [series, *config["series"]] if one["method"] == series["method"])
    return any(
        one.get("headline", False) and one.get("variant", "default") == series["variant"]
        for one in same
    )


def fingerprint(cells: list[dict]) -> str:
    """Return the first 12 digits of a SHA-256 over cells."""
    return hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()[:12]


def sources(cells: list[dict], kind: str) -> list[Path]:
    """Return the files that decide the rows of a sweep's cells; kind: simulate or measure."""
    built = {module for one in cells for module in provenance.built_from(one)}
    return provenance.sources(f"cost.{kind}", *built)


def place(cell: dict) -> dict:
    """Return where a cell stands in the table `cost`; d0 is None where nothing is projected."""
    sizes = options.fill("models", cell["model"], cell["model_options"])
    method = options.fill("methods", cell["method"], cell["method_options"])
    return {
        "model": cell["name"],
        "method": cell["method"],
        "variant": cell["variant"],
        "baseline": cell["baseline"],
        "headline": cell["headline"],
        "depth": sizes.block_count,
        "width": getattr(sizes, "width", None),
        "batch": cell["recipe"]["batch_size"],
        "image_size": cell["image_shape"][1],
        "d0": method.rows(cell["classes"]),
    }


def rows(cell: dict, values: dict, unit: str, source: str, device: str | None = None) -> list[dict]:
    """Return one row of the table `cost` for each of `values`, by quantity."""
    origin = {"unit": unit, "source": source, "device": device}
    return [
        place(cell) | {"quantity": quantity, "value": value} | origin
        for quantity, value in values.items()
    ]
