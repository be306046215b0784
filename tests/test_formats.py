"""Small sets whose checksums fit and whose content does not: IDX files and CIFAR batches."""

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_sets
from test_datasets import republish

from svp_core import datasets
from svp_core.data.files import DataError

IMAGES, LABELS = small_sets.pixels(60, 28, 28), np.arange(60) % 10


def idx_of(kind: int, content: bytes, *shape: int) -> bytes:
    return bytes([0, 0, kind, len(shape)]) + np.array(shape, ">u4").tobytes() + content


WRONG_IDX = {
    "images": [
        b"",
        b"\0\0\x08",
        idx_of(9, IMAGES.tobytes(), 60, 28, 28),  # signed
        idx_of(13, IMAGES.astype(">f4").tobytes(), 60, 28, 28),
        idx_of(8, IMAGES.tobytes(), 60, 784),
        idx_of(8, IMAGES.tobytes()[:-1], 60, 28, 28),
        idx_of(8, IMAGES.tobytes(), 2**31, 2**31, 28),
        idx_of(77, IMAGES.tobytes(), 60, 28, 28),
    ],
    "labels": [
        b"no labels",
        idx_of(11, LABELS.astype(">i2").tobytes(), 60),
        idx_of(8, bytes(60), 60, 1),
    ],
}


@pytest.mark.parametrize(
    ("part", "content"), [(part, one) for part, some in WRONG_IDX.items() for one in some]
)
def test_an_idx_file_of_other_content_is_named(tmp_path, monkeypatch, part, content):
    small_sets.write_idx(tmp_path / "MNIST")
    name = {"images": "train-images-idx3-ubyte", "labels": "train-labels-idx1-ubyte"}[part]
    (tmp_path / "MNIST/raw" / name).write_bytes(content)
    known = small_sets.published("mnist", tmp_path, train_size=60, test_size=20)
    republish("mnist", known, monkeypatch)
    with pytest.raises(DataError, match=f"{name} is not in the format of its set: .") as caught:
        datasets.load("mnist", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count", [59, 61])
def test_other_counts_of_images_and_labels_are_refused(tmp_path, monkeypatch, count):
    small_sets.write_idx(tmp_path / "MNIST")
    images = small_sets.idx(small_sets.pixels(count, 28, 28))
    (tmp_path / "MNIST/raw/train-images-idx3-ubyte").write_bytes(images)
    known = small_sets.published("mnist", tmp_path, train_size=60, test_size=20)
    republish("mnist", known, monkeypatch)
    with pytest.raises(DataError, match=rf"images of \({count}, 1, 28, 28\), not \(60, 1, 28"):
        datasets.load("mnist", tmp_path)


class Call:
    """What a pickle calls when it is read."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts[0], self.parts[1:]


ROWS, DIGITS = small_sets.pixels(8, 3072), list(range(8))
WRONG_BATCHES = {
    "pickle data was truncated": b"\x80\x02}q\x01(U",
    "Ran out of input": b"",
    "data": {"labels": DIGITS},
    "labels": {"data": ROWS},
    "labels int64 .7,.": {"data": ROWS, "labels": DIGITS[1:]},
    "labels float64 .8,.": {"data": ROWS, "labels": [0.5] * 8},
    "labels bool .8,.": {"data": ROWS, "labels": [True] * 8},
    "labels <U1 .8,.": {"data": ROWS, "labels": ["1"] * 8},
    "float32 .8, 3072.": {"data": ROWS.astype(np.float32), "labels": DIGITS},
    "cannot reshape": {"data": ROWS[:, 1:], "labels": DIGITS},
    "'list' object": {"data": ROWS.tolist(), "labels": DIGITS},
    "list indices": [ROWS, DIGITS],
    "it calls posix.mkdir": Call(os.mkdir, "here"),
    "it calls __builtin__.eval": {"data": Call(eval, "1"), "labels": DIGITS},
}


@pytest.mark.parametrize(("message", "content"), WRONG_BATCHES.items(), ids=[*WRONG_BATCHES])
def test_a_cifar_batch_of_other_content_is_named(tmp_path, monkeypatch, message, content):
    monkeypatch.chdir(tmp_path)
    small_sets.write_cifar10(tmp_path / "cifar-10-batches-py")
    batch = tmp_path / "cifar-10-batches-py/data_batch_2"
    batch.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol=2))
    known = small_sets.published("cifar10", tmp_path, train_size=40, test_size=8)
    republish("cifar10", known, monkeypatch)
    with pytest.raises(DataError, match=f"data_batch_2 is not in the format .*{message}") as caught:
        datasets.load("cifar10", tmp_path)
    assert "\n" not in str(caught.value) and not Path("here").exists()


@pytest.mark.parametrize("label", [-1, 10])
def test_labels_of_no_class_are_refused(tmp_path, monkeypatch, label):
    folder = tmp_path / "cifar-10-batches-py"
    small_sets.write_cifar10(folder)
    content = {"data": ROWS, "labels": [*DIGITS[:7], label]}
    (folder / "data_batch_5").write_bytes(small_sets.cifar(content))
    known = small_sets.published("cifar10", tmp_path, train_size=40, test_size=8)
    republish("cifar10", known, monkeypatch)
    with pytest.raises(DataError, match=r"data_batch_5: labels outside 0\.\.9"):
        datasets.load("cifar10", tmp_path)
    republish("cifar10", replace(known, train_size=41), monkeypatch)
    with pytest.raises(DataError, match="40 images, the published set has 41"):
        datasets.load("cifar10", tmp_path)
