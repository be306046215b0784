"""Records, the JSON files that tables are made of: read and checked, and what a run is named by."""

import json
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import yaml

from svp_core.tables.contract import RUN, TableError

RUN_SCHEMA = yaml.safe_load(
    (Path(__file__).parents[1] / "training" / "record.schema.yaml").read_text()
)
SETTINGS = ("model_options", "method_options", "recipe")


def refuse_constant(name: str) -> None:
    """Reject the NaN and Infinity that Python, unlike JSON, would accept."""
    raise ValueError(f"{name} is not a JSON number")


def read(path: str, schema: Mapping) -> dict:
    """Read a JSON record and validate it against the schema."""
    try:
        record = json.loads(Path(path).read_bytes(), parse_constant=refuse_constant)
    except ValueError as error:
        raise TableError(f"{path}: not JSON: {error}") from error
    validator = jsonschema.Draft202012Validator(schema)
    if error := jsonschema.exceptions.best_match(validator.iter_errors(record)):
        place = error.json_path.removeprefix("$").removeprefix(".") or "record"
        raise TableError(f"{path}: {place}: {error.message}")
    return record


def read_runs(paths: list[str]) -> dict[str, dict]:
    """The records of runs by path; two of the same run are refused."""
    records: dict[str, dict] = {}
    seen: dict[tuple, str] = {}
    for path in paths:
        records[path] = read(path, RUN_SCHEMA)
        run = tuple(identity(records[path]).values())
        if run in seen:
            name = ", ".join(map(str, run))
            raise TableError(f"{seen[run]} and {path}: the same run ({name})")
        seen[run] = path
    return records


def identity(record: Mapping) -> dict:
    """The columns that name a run."""
    return {name: record["config"][name] for name in RUN}


def settings(record: Mapping) -> dict:
    """Every setting of a run by its path, such as method_options.scale."""
    return {
        f"{group}.{name}": value
        for group in SETTINGS
        for name, value in record["config"][group].items()
    }
