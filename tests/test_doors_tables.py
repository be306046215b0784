"""Whatever stands in a record or a table: a line that names the file and key, and nothing changes.

More examples: SVP_EXAMPLES=500 pytest tests/test_doors_tables.py
"""

import json
import shutil
from pathlib import Path

import pytest
from builders import completed, diverged, record, write_records
from hypothesis import given
from hypothesis import strategies as st

from svp_core import tables
from workflow.scripts import (
    collect_ablation,
    collect_cost,
    collect_reach,
    collect_runs,
    summarise,
    summarise_cost,
    trials,
)

JUNK = st.one_of(
    st.sampled_from([None, True, -1, 0, 1e300, 9999, "", "nan", "-1", [], [None], {}, {"a": 1}]),
    st.floats(),
    st.integers(),
    st.text(max_size=5),
    st.lists(st.floats() | st.none() | st.text(max_size=2), max_size=3),
)
ODD = st.sampled_from(["", "nan", "inf", "-inf", "-1", "9999", "1.5", "x", "1e400", "True", "0x1"])


def places(node, path=()) -> list[tuple]:
    """The path of every value below a JSON node."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    found = []
    for key, value in items:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
    return found


def changed(content: dict, path: tuple, value, is_dropped: bool) -> dict:
    """A copy with one value replaced, or left out."""
    content = json.loads(json.dumps(content))
    *parents, leaf = path
    node = content
    for key in parents:
        node = node[key]
    if is_dropped:
        del node[leaf]
    else:
        node[leaf] = value
    return content


def empty(folder: Path) -> Path:
    """The folder, without what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def snapshot(folder: Path) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def outcome(folder: Path, command, *arguments) -> str | None:
    """The error of a command, which then has changed no file; None if it has none."""
    before = snapshot(folder)
    try:
        command([str(argument) for argument in arguments])
    except SystemExit as error:
        assert isinstance(error.code, str) and error.code.startswith("error: "), error.code
        names = str(folder) in error.code or error.code.startswith("error: cost: two baselines")
        assert "\n" not in error.code and names, error.code
        assert snapshot(folder) == before
        return error.code
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Good records and tables, of which a test makes bad copies."""
    place = tmp_path_factory.mktemp("doors")
    made = [
        completed([80.0, 90.0], method=method, method_options=options)
        for method, options in (("bp", {}), ("svp", {"blocks": 2}))
    ]
    made.append(record(variant="wide", method_options={"blocks": 1}))
    (place / "good").mkdir()
    collect_runs.main([*write_records(place / "good", made), "--output-dir", str(place)])
    return place


DOORS = [
    (collect_runs.main, "--output-dir"),
    (collect_ablation.main, "--output"),
    (collect_reach.main, "--baseline", "bp", "--output"),
    (trials.main, "--csv"),
]
OPTIONS = {"variant": "x", "method_options": {"blocks": 3}}
RECORDS = [completed([80.0, 90.0], **OPTIONS), diverged(**OPTIONS)]
METRICS = {"unit_accuracy": [80.0, 90.0], "ece": 0.1, "unit_nll": [0.5, None], "accuracy_mean": 9.0}
RECORDS[0]["metrics"] |= METRICS


@given(data=st.data())
def test_any_record(folder, data):
    """Collected with good ones: into tables of runs, of a study, of reach, or of trials."""
    content = data.draw(st.sampled_from(RECORDS))
    path = data.draw(st.sampled_from(places(content)))
    bad = changed(content, path, data.draw(JUNK), data.draw(st.booleans()))
    place = empty(folder / "bad")
    (place / "records").mkdir()
    file = place / "records" / "bad.json"
    file.write_text(json.dumps(bad))
    records = [*sorted((folder / "good").glob("*.json")), file]
    command, *options = data.draw(st.sampled_from(DOORS))
    of = [place / "records", folder / "good"] if command is trials.main else records
    error = outcome(folder, command, *of, *options, place / "made" / "table.csv")
    assert error is None or "bad.json" in error or "no option differs" in error
    if error is None and command is collect_runs.main:
        runs = tables.read(place / "made" / "table.csv" / "runs.csv", "runs")
        assert len(runs) == len(records) and runs["test_accuracy"].dropna().between(0, 100).all()


@pytest.mark.parametrize("name", ["runs", "curves"])
@given(data=st.data())
def test_any_table(folder, name, data):
    """Summarised, or related to cost: a cell, a column's name, or a row is odd or missing."""
    place = empty(folder / "bad")
    for table in ("runs", "curves"):
        shutil.copy(folder / f"{table}.csv", place)
    lines = [line.split(",") for line in (place / f"{name}.csv").read_text().splitlines()]
    row = data.draw(st.integers(0, len(lines) - 1))
    column = data.draw(st.integers(0, len(lines[row]) - 1))
    cell = data.draw(ODD | st.text(max_size=4))
    act = data.draw(st.sampled_from(["cell", "row twice", "no row", "longer row", "shorter row"]))
    if act == "cell":
        lines[row][column] = cell
    elif act == "longer row":
        lines[row].append(cell)
    elif act == "shorter row":
        lines[row].pop()
    else:
        lines[row : row + 1] = [lines[row]] * (2 if act == "row twice" else 0)
    text = "\n".join(map(",".join, lines)) + "\n"
    (place / f"{name}.csv").write_bytes(text.encode(errors="surrogatepass"))
    command, first = (summarise.main, ["runs.csv", "--baseline", "bp"])
    if name == "curves":
        row = {"model": "mlp", "method": "bp", "variant": "default", "baseline": "bp"}
        row |= {"headline": True, "depth": 1, "width": 1, "batch": 1, "image_size": 1, "d0": None}
        row |= {"quantity": "total", "value": 1, "unit": "bytes"}
        content = {"torch_version": "2", "source_hash": "0" * 12}
        content["rows"] = [row | {"source": "simulated", "device": None}]
        (place / "cost.json").write_text(json.dumps(content))
        tables_of = ["--runs", place / "runs.csv", "--curves", place / "curves.csv"]
        command, first = (collect_cost.main, ["cost.json", *tables_of, "--target", "mnist=80"])
    outcome(folder, command, place / first[0], *first[1:], "--output-dir", place / "tables")


@given(data=st.data())
def test_any_record_of_cost(folder, data):
    """Collected and summarised beside good tables of runs and curves."""
    place = empty(folder / "bad")
    row = {"model": "mlp", "method": "bp", "variant": "default", "baseline": "bp"}
    row |= {"headline": True, "width": 8, "batch": 16, "image_size": 28, "d0": None}
    origin = {"unit": "bytes", "source": "simulated", "device": None}
    rows = [row | {"depth": n, "quantity": "total", "value": 1.0 * n} | origin for n in (1, 2, 3)]
    good = {"torch_version": "2", "source_hash": "0123456789ab", "cells": [], "rows": rows}
    path = data.draw(st.sampled_from(places(good)))
    bad = changed(good, path, data.draw(JUNK), data.draw(st.booleans()))
    (place / "cost.json").write_text(json.dumps(bad))
    tables_of = ["--runs", folder / "runs.csv", "--curves", folder / "curves.csv"]
    outcome(folder, collect_cost.main, place / "cost.json", *tables_of, "--output-dir", place)
    if (place / "cost.csv").exists():
        outcome(folder, summarise_cost.main, place / "cost.csv", "--output-dir", place)
