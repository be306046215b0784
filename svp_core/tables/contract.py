"""The contract of glossary.yaml: columns of tables, what cells may be, rows that are there once."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

import numpy as np
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
        except (TypeError, ValueError, OverflowError) as error:
            raise TableError(f"{origin}: column {name}: {error}") from error
    for name in further:
        result[name] = by_content(result[name])
    for is_wrong, name, reason in offences(result, table):
        refuse_row(result, is_wrong, table, f"{origin}: column {name}: {reason}", name)
    refuse_repeated(result, table, origin)
    return result


def offences(frame: pd.DataFrame, table: str) -> Iterator[tuple[pd.Series, str, str]]:
    """Yield which cells are wrong, their column, and why: alone, or beside others of their row."""
    for name, rules in GLOSSARY[table]["columns"].items():
        if "*" not in name:
            cells = frame[name]
            if rules.get("required"):
                yield cells.isna(), name, "empty"
            if "values" in rules:
                yield cells.notna() & ~cells.isin(rules["values"]), name, "not a value of it"
            least, most = rules.get("minimum", -np.inf), rules.get("maximum", np.inf)
            if rules["type"] in ("integer", "number"):
                yield cells.lt(least) | cells.eq(-np.inf), name, f"less than {least}"
                yield cells.gt(most) | cells.eq(np.inf), name, f"more than {most}"
    for columns_ in GLOSSARY[table].get("rising", ()):
        for lower, upper in pairwise(columns_):
            yield frame[lower].gt(frame[upper]), lower, f"more than {upper}"
    if GLOSSARY[table]["key"] == RUN:
        is_completed, has_accuracy = frame["status"] == "completed", frame["test_accuracy"].notna()
        yield is_completed & ~has_accuracy, "test_accuracy", "empty, but the run is completed"
        yield ~is_completed & has_accuracy, "test_accuracy", "there, but the run diverged"


def refuse_row(
    frame: pd.DataFrame, is_wrong: pd.Series, table: str, message: str, name: str
) -> None:
    """Raise TableError for the first row that is wrong, with its cell and its key."""
    for _, row in frame[is_wrong.fillna(False).astype(bool)].head(1).iterrows():
        cell = "" if pd.isna(row[name]) else f" ({row[name]})"
        raise TableError(f"{message}{cell}, in the row of {named(row[GLOSSARY[table]['key']])}")


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
        raise TableError(f"{origin}: two rows of {named(row)}")


def named(key: Iterable) -> str:
    """The key of a row in words, without what it lacks."""
    return ", ".join(
        f"{value:g}" if isinstance(value, float) else str(value) for value in key if pd.notna(value)
    )
