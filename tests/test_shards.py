"""Parquet shards: labels that are none, images that are none, and other columns."""

import re
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
import small_sets

from svp_core.data.files import DataError
from svp_core.data.shards import shard_labels, shard_rows

JPEG = small_sets.jpeg(0)
IMAGE = pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()})


def shard(folder: Path, labels=(0, 2, 1), images=None, names=("image", "label")) -> Path:
    """A shard of any two columns; by default three images."""
    if images is None:
        images = pyarrow.array([{"bytes": JPEG, "path": None}] * len(labels), IMAGE)
    columns = [images, labels if isinstance(labels, pyarrow.Array) else pyarrow.array(labels)]
    path = folder / "0000.parquet"
    parquet.write_table(pyarrow.Table.from_arrays(columns, names=list(names)), path)
    return path


@pytest.mark.parametrize("kind", ["uint8", "int16", "int64", "uint64"])
def test_labels_are_integers_of_any_size(tmp_path, kind):
    labels = shard_labels(shard(tmp_path, pyarrow.array([0, 2, 1], kind)), classes=3)
    assert labels.tolist() == [0, 2, 1] and labels.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0], [2], [1]], "column label holds list<.*>, not integers"),
        (["0", "2", "1"], "column label holds string, not integers"),
        ([0.0, 1.5, 1.0], "column label holds double, not integers"),
        ([True, False, True], "column label holds bool, not integers"),
        ([None, None, None], "column label holds null, not integers"),
        ([{"a": 1}] * 3, "column label holds struct<.*>, not integers"),
    ],
)
def test_other_labels_are_refused_by_their_kind(tmp_path, labels, message):
    path = shard(tmp_path, labels)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: {message}"):
        shard_labels(path, classes=3)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 3], r"row 2: label 3 outside 0\.\.2"),
        ([0, -1, 3], r"row 1: label -1 outside 0\.\.2"),
        (pyarrow.array([0, 2**63 + 1, 1], "uint64"), r"row 1: label 9223372036854775809 outside"),
        ([0, None, 1], "row 1 has no label"),
    ],
)
def test_a_wrong_label_is_named_by_its_row(tmp_path, labels, message):
    path = shard(tmp_path, labels)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))} {message}"):
        shard_labels(path, classes=3)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (["a.png"] * 3, "column image holds string"),
        ([JPEG] * 3, "column image holds binary"),
        ([[1, 2]] * 3, "column image holds list<.*>"),
        ([{"path": "a.png"}] * 3, "column image holds struct<path: string>"),
        ([{"bytes": "a"}] * 3, "column image holds struct<bytes: string>"),
        ([None] * 3, "column image holds null"),
    ],
)
def test_a_column_of_no_images_is_refused(tmp_path, images, message):
    path = shard(tmp_path, images=pyarrow.array(images))
    with pytest.raises(DataError, match=f"0000.parquet: {message}, not bytes of images"):
        shard_labels(path, classes=3)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("image", "class"), "no column label"),
        (("picture", "label"), "no column image"),
        (("label", "label"), "no column image"),
    ],
)
def test_missing_columns_are_named(tmp_path, names, message):
    with pytest.raises(DataError, match=f"0000.parquet has {message}"):
        shard_labels(shard(tmp_path, names=names), classes=3)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    columns = [pyarrow.array([{"bytes": JPEG}]), pyarrow.array([0]), pyarrow.array([1])]
    table = pyarrow.Table.from_arrays(columns, names=["image", "label", "label"])
    parquet.write_table(table, tmp_path / "0000.parquet")
    with pytest.raises(DataError, match="0000.parquet has 2 columns label"):
        shard_labels(tmp_path / "0000.parquet", classes=3)


@pytest.mark.parametrize("cell", [None, {"bytes": None, "path": "/etc/hostname"}])
def test_a_row_without_bytes_is_named(tmp_path, cell):
    images = pyarrow.array([{"bytes": JPEG, "path": None}, cell, cell], IMAGE)
    rows = shard_rows(shard(tmp_path, images=images))
    assert next(rows)[1:] == (JPEG, 0)
    with pytest.raises(DataError, match="0000.parquet row 1 has no bytes of an image"):
        next(rows)
