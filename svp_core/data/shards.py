"""Parquet shards as the Hugging Face hub has them: a column of encoded images, one of labels."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from svp_core.data.files import DataError, brief, file_size


def shard_labels(path: Path, classes: int) -> np.ndarray:
    """Return the labels (N,) of a shard; raises DataError naming column or row."""
    import pyarrow.parquet as parquet

    file_size(path)  # a pipe would block
    with whole(path):
        file = parquet.ParquetFile(path)
        require_columns(path, file.schema_arrow)
        column = file.read(columns=["label"])["label"]
    if column.null_count:
        row = column.is_null().to_numpy().argmax()
        raise DataError(f"{path} row {row} has no label")
    labels = column.to_numpy()
    if (wrong := np.flatnonzero((labels < 0) | (labels >= classes))).size:
        row = wrong[0]
        raise DataError(f"{path} row {row}: label {labels[row]} outside 0..{classes - 1}")
    return labels.astype(np.int64)


def class_names(path: Path) -> list[str]:
    """Return what the hub's description in a shard calls its labels; nothing if it does not."""
    import pyarrow.parquet as parquet

    with whole(path):
        said = (parquet.read_schema(path).metadata or {}).get(b"huggingface", b"{}")
    try:
        return list(json.loads(said)["info"]["features"]["label"]["names"])
    except (ValueError, LookupError, TypeError):
        return []


def require_columns(path: Path, schema) -> None:
    """Raise DataError unless there are integer labels and images as bytes, once each."""
    from pyarrow import types

    for name in ("image", "label"):
        if (count := schema.names.count(name)) != 1:
            raise DataError(f"{path} has {count or 'no'} column{'s' * (count > 1)} {name}")
    image, label = schema.field("image").type, schema.field("label").type
    if not types.is_integer(label):
        raise DataError(f"{path}: column label holds {brief(label)}, not integers")
    fields = [field for field in image if field.name == "bytes"] if types.is_struct(image) else []
    if len(fields) != 1 or not is_binary(fields[0].type):
        raise DataError(f"{path}: column image holds {brief(image)}, not bytes of images")


def is_binary(kind) -> bool:
    from pyarrow import types

    return types.is_binary(kind) or types.is_large_binary(kind)


def shard_rows(path: Path) -> Iterator[tuple[str, bytes, int]]:
    """Yield place, encoded image and label of every row; raises DataError naming the row."""
    import pyarrow.parquet as parquet

    with whole(path):
        batches = parquet.ParquetFile(path).iter_batches(64, columns=["image", "label"])
        rows = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(rows):
            where = f"{path} row {number}"
            if not row["image"] or row["image"]["bytes"] is None:
                raise DataError(f"{where} has no bytes of an image")
            yield where, row["image"]["bytes"], row["label"]


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Raise DataError where pyarrow cannot read."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        is_refused = getattr(error, "errno", None)  # by the system, which numbers its errors
        start = f"cannot read {path}" if is_refused else f"{path} is no whole parquet file"
        raise DataError(f"{start}: {brief(error)}") from error
