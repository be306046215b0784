"""Tables by the contract of glossary.yaml: check, read, render and write them."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pandas as pd

from svp_core.records import RecordError
from svp_core.runtime.files import OutputError
from svp_core.runtime.pipes import until_closed
from svp_core.tables.contract import (
    GLOSSARY,
    RUN,
    SERIES,
    TASK,
    TableError,
    columns,
    further_columns,
    json_type,
    refuse_repeated,
    typed,
)
from svp_core.tables.render import Section, estimate, files, markdown

__all__ = [
    "GLOSSARY", "RUN", "Rows", "SERIES", "Section", "TASK", "TableError", "columns", "csv_bytes",
    "estimate", "exit_on_error", "files", "from_rows", "further_columns", "json_type", "markdown",
    "parquet_bytes", "read", "write",
]  # fmt: skip

PART = 50_000  # rows that wait as mappings, which take ten times the memory of columns


@contextmanager
def exit_on_error() -> Iterator[None]:
    """End a command with exit code 1 and one line instead of a traceback; also a decorator."""
    try:
        with until_closed():
            yield
    except (TableError, RecordError, OSError) as error:
        sys.exit(f"error: {error}")


def from_rows(rows: Iterable[dict], table: str) -> pd.DataFrame:
    """A table of these rows, sorted by its key; cells that a row lacks are empty."""
    rows = list(rows)
    further = further_columns({name for row in rows for name in row}, table)
    frame = pd.DataFrame(rows, columns=[*columns(table), *further], dtype=object)
    return typed(frame, table, table).sort_values(GLOSSARY[table]["key"], ignore_index=True)


class Rows:
    """Rows of a table without further columns; millions of them are kept in columns, by parts."""

    def __init__(self, table: str):
        self.table, self.waiting, self.parts = table, [], []

    def add(self, rows: Iterable[dict]) -> None:
        """Add rows, which are checked, if not now, later."""
        self.waiting += rows
        if len(self.waiting) >= PART:
            self.parts.append(from_rows(self.waiting, self.table))
            self.waiting = []

    def frame(self) -> pd.DataFrame:
        """The table, as `from_rows` makes it of all of them."""
        parts = [*self.parts, *([from_rows(self.waiting, self.table)] if self.waiting else [])]
        if len(parts) < 2:
            return parts[0] if parts else from_rows([], self.table)
        whole = pd.concat(parts, ignore_index=True)
        refuse_repeated(whole, self.table, self.table)
        return whole.sort_values(GLOSSARY[self.table]["key"], ignore_index=True)


def read(path: Path, table: str) -> pd.DataFrame:
    """Read a CSV table and check its columns, their types, and that it has rows, each once."""
    try:
        # the first line as cells: of a longer row pandas would make the first cell its index
        cells = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], header=None)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: not a CSV table: {' '.join(str(error).split())}") from error
    header = cells.iloc[0].fillna("").tolist()
    if twice := {name for name in header if header.count(name) > 1}:
        raise TableError(f"{path}: two columns {', '.join(sorted(twice))}")
    frame = typed(cells[1:].set_axis(header, axis=1).reset_index(drop=True), table, path)
    if frame.empty and not GLOSSARY[table].get("may_be_empty"):
        raise TableError(f"{path}: no rows below {', '.join(columns(table)[:3])}, ...")
    return frame


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """The frame as CSV with Unix line ends."""
    return frame.to_csv(index=False, lineterminator="\n").encode()


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """The frame as Parquet."""
    buffer = BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def write(contents: dict[Path, bytes]) -> None:
    """Write files so that each is either the old or the whole new one; raises OutputError."""
    temporary = {path: path.with_name(f".{path.name}.tmp") for path in contents}
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary[path].write_bytes(content)
        for path in contents:
            os.replace(temporary[path], path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
