"""Tables by the contract of glossary.yaml: check, read, render and write them."""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import jsonschema
import pandas as pd
import yaml

GLOSSARY = yaml.safe_load((Path(__file__).parent / "glossary.yaml").read_text())
SERIES = ["dataset", "model", "method", "variant"]
RUN = [*SERIES, "seed"]

# Columns named in neither list and not ending in _bytes are floating-point numbers.
INTEGERS = (
    "seed epochs parameters threads environments epoch block blocks n diverged pairs depth "
    "batch image_size d0 points train_flops"
).split()
TEXTS = (
    "dataset model method variant status peak_memory_source device node job python_version "
    "torch_version source_hash data_hash git_commit record quantity unit source "
    "axis"
).split()


class TableError(ValueError):
    """A record or table that breaks its contract; the message names the file and the place."""


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End a command with exit code 1 and one line instead of a traceback; also a decorator."""
    try:
        yield
    except (TableError, OSError) as error:
        sys.exit(f"error: {error}")


def columns(table: str) -> list[str]:
    """Columns of a table, in order."""
    return list(GLOSSARY[table])


def json_type(column: str) -> str:
    """The JSON type of the cells of a column."""
    if column == "git_dirty":
        return "boolean"
    if column in TEXTS:
        return "string"
    return "integer" if column in INTEGERS or column.endswith("_bytes") else "number"


def typed(frame: pd.DataFrame, table: str, origin: object) -> pd.DataFrame:
    """The frame with the columns of the table in order, each of its type."""
    expected = columns(table)
    for problem, names in (
        ("missing", [name for name in expected if name not in frame]),
        ("unknown", [name for name in frame if name not in expected]),
    ):
        if names:
            raise TableError(f"{origin}: {problem} column {', '.join(names)} (table {table})")
    types = {"string": "str", "integer": "Int64", "number": "float64", "boolean": "boolean"}
    result = frame[expected].copy()
    for name in expected:
        try:
            result[name] = result[name].astype(types[json_type(name)])
        except (TypeError, ValueError) as error:
            raise TableError(f"{origin}: column {name}: {error}") from error
    return result


def from_rows(rows: Iterable[dict], table: str, order: list[str]) -> pd.DataFrame:
    """A table of these rows, sorted by the columns of `order`."""
    frame = pd.DataFrame(list(rows), columns=columns(table), dtype=object)
    return typed(frame, table, table).sort_values(order, ignore_index=True)


def read(path: Path, table: str) -> pd.DataFrame:
    """Read a CSV table and check its columns, their types, and that it has rows."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: not a CSV table: {error}") from error
    frame = typed(frame.replace({"git_dirty": {"True": True, "False": False}}), table, path)
    if frame.empty and table != "blocks":  # which has none if all runs diverged
        raise TableError(f"{path}: no rows below {', '.join(columns(table)[:3])}, ...")
    return frame


def refuse_constant(name: str) -> None:
    """Reject the NaN and Infinity that Python, unlike JSON, would accept."""
    raise ValueError(f"{name} is not a JSON number")


def read_record(path: str, schema: dict) -> dict:
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


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """The frame as CSV with Unix line ends."""
    return frame.to_csv(index=False, lineterminator="\n").encode()


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """The frame as Parquet."""
    buffer = BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def markdown(header: list[str], rows: Iterable[list[str]]) -> str:
    """A Markdown table with columns aligned in the source, too."""
    cells = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def write(contents: dict[Path, bytes]) -> None:
    """Write files so that each is either the old or the whole new one."""
    temporary = {path: path.with_name(f".{path.name}.tmp") for path in contents}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary[path].write_bytes(content)
        for path in contents:
            os.replace(temporary[path], path)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
