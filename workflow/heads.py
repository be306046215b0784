"""What planning reads of records, once for as long as their files stay the same."""

import os
from collections.abc import Mapping

from svp_core import planned, records


class Heads:
    """Some keys of records, checked; the rest is checked when tables are made."""

    def __init__(self, schema: Mapping):
        self.schema = schema
        self.known: dict[str, tuple] = {}  # by path, the state of the file and its head

    def read(self, path: str) -> dict:
        """Return what the schema requires of a record; raises RecordError or OSError."""
        found = os.stat(path)
        state = found.st_mtime_ns, found.st_size, found.st_ino
        if self.known.get(path, ())[:1] != (state,):
            record = records.read(path, self.schema)
            self.known[path] = state, {key: record[key] for key in self.schema["required"]}
        return self.known[path][1]

    def offence(self, path: str, line: Mapping, keep_stale: bool) -> str | None:
        """Return why a record is not of the line that plans it; None also without a record."""
        try:
            record = self.read(path)
        except FileNotFoundError:
            return None
        except (records.RecordError, OSError) as error:
            return str(error).removeprefix(f"{path}: ")
        return planned.other_settings(record, line) or (
            None if keep_stale else planned.stale(record, line)
        )
