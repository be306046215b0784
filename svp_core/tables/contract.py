"""The contract of glossary.yaml: columns of tables, their types, and rows that are there once."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd
import yaml

GLOSSARY = yaml.safe_load((Path(__file__).parent / "glossary.yaml").read_text())
TASK = ["dataset", "model"]
SERIES = ["method", "variant"]
RUN = [*TASK, *SERIES, "seed"]
TYPES = {"string": "str", "integer": "Int64", "number": "float64", "boolean": "boolean"}
TRUTH = {"True": True, "False": False}


class TableError(ValueError):
    """A record or table that breaks its contract; the message names the file and the place."""


def columns(table: str) -> list[str]:
    """Columns that a table always has, in order."""
    return [name for name in GLOSSARY[table]["columns"] if "*" not in name]


def patterns(table: str) -> list[str]:
    """Names, with a *, of the further columns that a table may have."""
    return [name for name in GLOSSARY[table]["columns"] if "*" in name]


def further_columns(names: Iterable[str], table: str) -> list[str]:
    """Those of the names that are no fixed column, by pattern and alphabet; unknown ones last."""
    allowed = patterns(table)

    def place(name: str) -> int:
        return next((i for i, one in enumerate(allowed) if fnmatchcase(name, one)), len(allowed))

    return sorted(set(names) - set(columns(table)), key=lambda name: (place(name), name))


def json_type(table: str, column: str) -> str:
    """The JSON type of the cells of a column."""
    return GLOSSARY[table]["columns"][column]["type"]


def typed(frame: pd.DataFrame, table: str, origin: object) -> pd.DataFrame:
    """The frame with its columns in order, each of its type; every row is there once."""
    fixed, further = columns(table), further_columns(frame, table)
    allowed = patterns(table)
    unknown = [name for name in further if not any(fnmatchcase(name, one) for one in allowed)]
    missing = [name for name in fixed if name not in frame]
    for problem, names in (("missing", missing), ("unknown", unknown)):
        if names:
            raise TableError(f"{origin}: {problem} column {', '.join(names)} (table {table})")
    result = frame[[*fixed, *further]].copy()
    for name in fixed:
        kind = json_type(table, name)
        cells = result[name].replace(TRUTH) if kind == "boolean" else result[name]
        try:
            result[name] = cells.astype(TYPES[kind])
        except (TypeError, ValueError) as error:
            raise TableError(f"{origin}: column {name}: {error}") from error
    for name in further:
        result[name] = by_content(result[name])
    refuse_repeated(result, table, origin)
    return result


def as_text(value: object) -> str | None:
    """A setting as a cell of a table; lists as a+b."""
    if isinstance(value, list):
        return "+".join(map(str, value)) or "none"
    return None if value is None or value is pd.NA or value != value else str(value)


def by_content(values: pd.Series) -> pd.Series:
    """The column as truth values, integers, numbers or text, the first that holds all of it."""
    text = values.astype(object).map(as_text).astype("str")
    if text.dropna().isin(TRUTH).all() and text.notna().any():
        return text.astype(object).replace(TRUTH).astype("boolean")
    for kind in ("Int64", "float64"):
        try:
            return text.astype(kind) if text.notna().any() else text
        except (TypeError, ValueError):
            continue
    return text


def refuse_repeated(frame: pd.DataFrame, table: str, origin: object) -> None:
    """Raise if two rows have the same key, naming the first."""
    key = GLOSSARY[table]["key"]
    for row in frame.loc[frame.duplicated(key), key].itertuples(index=False):
        names = ", ".join(
            f"{value:g}" if isinstance(value, float) else str(value)
            for value in row
            if pd.notna(value)
        )
        raise TableError(f"{origin}: two rows of {names}")
