"""Records, the JSON files of runs and of cost: read, and refused where they contradict themselves.

Every reader of records comes through here; free of torch and pandas, so that it is cheap.
"""

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path

import jsonschema
import yaml

RUN_SCHEMA = yaml.safe_load((Path(__file__).parent / "training" / "record.schema.yaml").read_text())
LARGEST = 2**63  # below which tables hold integers
LETTERS = 200  # of an error's message: it may quote the whole record

Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer",
        lambda _, value: type(value) is int,  # 1e30 is none that tables can hold
    ),
)


class RecordError(ValueError):
    """A record that breaks its contract; the message names the file and the place."""


def read_run(path: Path | str) -> dict:
    """Return the record of a run; raises RecordError, or OSError where it cannot be opened."""
    record = read(path, RUN_SCHEMA)
    for offence in contradictions(record):
        raise RecordError(f"{path}: {offence}")
    return record


def read(path: Path | str, schema: Mapping) -> dict:
    """Return a JSON record that agrees with a schema; raises RecordError or OSError."""
    try:
        record = json.loads(
            Path(path).read_bytes(),
            object_pairs_hook=refuse_repeated,
            parse_constant=number,
            parse_float=number,
            parse_int=integer,
        )
        json.dumps(record, ensure_ascii=False).encode()  # half a surrogate is no text
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not JSON: {error}") from None
    if error := jsonschema.exceptions.best_match(Validator(schema).iter_errors(record)):
        place = error.json_path.removeprefix("$").removeprefix(".") or "record"
        raise RecordError(f"{path}: {place}: {' '.join(error.message.split())[:LETTERS]}")
    return record


def number(text: str) -> float:
    """Return a number; NaN, Infinity and 1e999, which Python would take, are none of JSON."""
    if not isfinite(value := float(text)):
        raise ValueError(f"{text} is not a JSON number")
    return value


def integer(text: str) -> int:
    """Return an integer that tables can hold."""
    if abs(value := int(text)) >= LARGEST:
        raise ValueError(f"{text[:20]}... is too large")
    return value


def refuse_repeated(pairs: list[tuple]) -> dict:
    """Return the object of these pairs; of two equal keys Python would lose the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{max(keys, key=keys.count)!r} is there twice")
    return found


def contradictions(record: Mapping) -> Iterator[str]:
    """Yield what disagrees within the record of a run that agrees with its schema."""
    curves, status = record["curves"], record["status"]
    planned = record["config"]["recipe"].get("epochs", record["epochs"])
    if record["epochs"] != len(curves):
        yield f"epochs: {record['epochs']}, but curves has {len(curves)}"
    if [entry["epoch"] for entry in curves] != list(range(1, len(curves) + 1)):
        yield "curves: the epochs are not 1, 2, 3, ..."
    units = {len(entry[name]) for entry in curves for name in ("unit_loss", "unit_accuracy")}
    if len(units) > 1:
        yield f"curves: {' and '.join(map(str, sorted(units)))} units in one run"
    is_lost = [None in entry["unit_loss"] for entry in curves]
    if any(is_lost[:-1]):
        yield f"curves[{is_lost.index(True)}].unit_loss: null, but the training went on"
    if status == "diverged" and not any(is_lost[-1:]):
        yield "status: diverged, but the last unit_loss has no null"
    if status == "diverged" and len(curves) > planned:
        yield f"epochs: {len(curves)}, but config.recipe.epochs is {planned}"
    if status == "completed":
        yield from unfinished(record, planned)


def unfinished(record: Mapping, planned: int) -> Iterator[str]:
    """Yield what a run that is called completed lacks, or has otherwise than its last epoch."""
    curves = record["curves"]
    if not curves or len(curves) != planned:
        yield f"status: completed after {len(curves)} epochs, config.recipe.epochs is {planned}"
        return
    last = curves[-1]
    if None in last["unit_loss"]:
        yield "status: completed, but the last unit_loss has a null"
    ends = {"test_accuracy": record["test_accuracy"]}
    ends["unit_accuracy"] = record["metrics"]["unit_accuracy"]
    for name, value in ends.items():
        if value != last[name]:
            yield f"{name}: {value}, but {last[name]} after the last epoch"
