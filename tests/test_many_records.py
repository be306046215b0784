"""Thousands of records: read one after the other, their rows kept in parts, the same tables."""

import pandas as pd
import pytest
from builders import completed, write_records

from svp_core import records, tables
from workflow.scripts import collect_runs


def rows(seeds, epochs: int = 3) -> list[dict]:
    return [
        row
        for seed in seeds
        for row in collect_runs.curve_rows(completed([80.0], epochs, seed=seed))
    ]


def test_a_table_in_parts_is_that_of_all_rows(monkeypatch):
    monkeypatch.setattr(tables, "PART", 7)
    whole, parts = rows(range(9)), tables.Rows("curves")
    for seed in reversed(range(9)):
        parts.add(rows([seed]))
    assert len(parts.parts) == 3 and not parts.waiting
    expected = tables.from_rows(whole, "curves")
    pd.testing.assert_frame_equal(parts.frame(), expected)
    assert tables.csv_bytes(parts.frame()) == tables.csv_bytes(expected)
    assert tables.Rows("cka").frame().empty


def test_a_row_that_two_parts_have_is_refused(monkeypatch):
    monkeypatch.setattr(tables, "PART", 1)
    parts = tables.Rows("curves")
    parts.add(rows([0]))
    parts.add(rows([0]))
    with pytest.raises(tables.TableError, match="curves: two rows of mnist, mlp, svp, default, 0"):
        parts.frame()


def test_no_more_than_a_record_is_in_memory_at_a_time(tmp_path, monkeypatch):
    """And in parts of any size the tables have the same bytes."""

    class Record(dict):
        alive = most = 0

        def __init__(self, found):
            super().__init__(found)
            Record.alive += 1
            Record.most = max(Record.most, Record.alive)

        def __del__(self):
            Record.alive -= 1

    whole = records.read_run
    monkeypatch.setattr("svp_core.tables.records.read_run", lambda path: Record(whole(path)))
    paths = write_records(tmp_path, [completed([70.0, 80.0], seed=seed) for seed in range(20)])
    found = {}
    for size in (50_000, 3):
        monkeypatch.setattr(tables, "PART", size)
        collect_runs.main([*paths, "--output-dir", str(tmp_path / str(size))])
        found[size] = {path.name: path.read_bytes() for path in (tmp_path / str(size)).iterdir()}
    assert found[3] == found[50_000] and len(found[3]) == 4
    assert Record.most <= 2  # what is read next, and what is read last
