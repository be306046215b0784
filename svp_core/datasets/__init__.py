"""Datasets, one file each: facts that need no data, and a loader that returns arrays."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np


class DataError(ValueError):
    """Files that are missing or are not what they should be; the message names them."""


@dataclass(frozen=True)
class Facts:
    """What is known of a dataset without its files."""

    classes: int
    shape: tuple[int, int, int]  # channels, height, width
    train_size: int
    test_size: int
    mean: tuple[float, ...]  # of the training images, a channel, pixels scaled to [0, 1]
    std: tuple[float, ...]
    licence: str
    pixel_max: int = 255


class Split(NamedTuple):
    """Images (N, C, H, W) as uint8 and labels (N,) as int64."""

    images: np.ndarray
    labels: np.ndarray


def facts(name: str) -> Facts:
    """Return the facts of the dataset in the file `name`."""
    return import_module(f"svp_core.datasets.{name}").FACTS


def load(name: str, data_dir: Path) -> tuple[Split, Split]:
    """Return the training and the test split; raises DataError if they contradict the facts."""
    known = facts(name)
    train, test = import_module(f"svp_core.datasets.{name}").load(data_dir)
    for part, split, size in (("train", train, known.train_size), ("test", test, known.test_size)):
        if split.images.shape != (size, *known.shape) or split.labels.shape != (size,):
            found = (split.images.shape, split.labels.shape)
            raise DataError(f"{name} {part}: arrays of {found}, not of {(size, *known.shape)}")
        if split.labels.min() < 0 or split.labels.max() >= known.classes:
            raise DataError(f"{name} {part}: labels outside 0..{known.classes - 1}")
    return train, test
