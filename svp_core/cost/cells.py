"""The cells of a cost sweep: a model of certain sizes, trained by one method on random images."""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

from svp_core import combinations, provenance
from svp_core.config import checked, options, schema
from svp_core.config.pairs import ConfigError

AXES = ("depth", "width", "batch", "image_size", "d0")


def resolve(given: Mapping) -> dict:
    """Return a cost sweep with every default filled in.

    Raises ConfigError for an unknown key, a value out of range or an impossible cell.
    """
    config = checked(given, schema()["$defs"]["cost"], "")
    if not all(sweep.get("series") or config["series"] for sweep in config["sweeps"]):
        raise ConfigError("series: no method to measure")
    for cells in points(config):
        for cell in cells:
            for offence in offences(cell):
                where = f"{cell['name']} {cell['method']} {cell['variant']}"
                raise ConfigError(f"{where}: {offence}")
    return config


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
    series = checked(series, schema()["$defs"]["series"], "series.")
    lengths = {axis: sizes[axis] for axis in ("depth", "width") if axis in sizes}
    rows = {"d0": sizes["d0"]} if "d0" in sizes and series["method"] != "bp" else {}
    side = sizes.get("image_size", config["image_size"])
    return {
        "name": config["name"],
        "model": config["model"],
        "model_options": options("model", config["model"], config["model_options"] | lengths),
        "method": series["method"],
        "variant": series["variant"],
        "method_options": options("method", series["method"], series["method_options"] | rows),
        "recipe": checked(series["recipe"], schema()["$defs"]["recipe"], "recipe.")
        | {"batch_size": sizes.get("batch", config["batch"])},
        "image_shape": [config["channels"], side, side],
        "classes": config["classes"],
    }


def offences(cell: dict) -> Iterator[str]:
    """What is impossible in a cell."""
    _, height, width = cell["image_shape"]
    yield from combinations.shapes(cell["model"], cell["model_options"], height, width)
    yield from combinations.updates(cell["method_options"], cell["recipe"])
    if "projection" in cell["method_options"]:
        yield from combinations.readings(cell["method_options"], cell["classes"])


def sources(config: dict, kind: str) -> list[Path]:
    """Return the files that decide the rows of a resolved sweep; kind: simulate or measure."""
    methods = {f"methods.{cell['method']}" for point in points(config) for cell in point}
    return provenance.sources(f"cost.{kind}", f"models.{config['model']}", *methods)


def place(cell: dict) -> dict:
    """Return where a cell stands in the table `cost`; d0 is None where nothing is projected."""
    settings = cell["method_options"]
    is_projected = settings.get("projection", "identity") != "identity"
    return {
        "model": cell["name"],
        "method": cell["method"],
        "variant": cell["variant"],
        "depth": combinations.count_blocks(cell["model"], cell["model_options"]),
        "width": cell["model_options"].get("width"),
        "batch": cell["recipe"]["batch_size"],
        "image_size": cell["image_shape"][1],
        "d0": (settings["d0"] or cell["classes"]) if is_projected else None,
    }


def rows(cell: dict, values: dict, unit: str, source: str, device: str | None = None) -> list[dict]:
    """Return one row of the table `cost` for each of `values`, by quantity."""
    origin = {"unit": unit, "source": source, "device": device}
    return [
        place(cell) | {"quantity": quantity, "value": value} | origin
        for quantity, value in values.items()
    ]
