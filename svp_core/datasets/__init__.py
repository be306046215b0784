"""Datasets, one file each: facts that need no data, and a loader of verified files."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np

from svp_core.data.files import DataError, File, reading, verify
from svp_core.data.image_files import ImageFiles
from svp_core.data.listing import Listing, find_images

__all__ = ["DataError", "Facts", "File", "Split", "facts", "load"]


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
    homepage: str
    files: tuple[File, ...] = ()  # of a small set; none if a package brings them
    folder: str = ""  # of a large set, below the data folder; may be a pattern
    class_folders: tuple[str, ...] = ()  # in the order of the labels; none: any, sorted
    pixel_max: int = 255
    is_resident: bool = False  # a folder that is small enough to live on the device

    @property
    def is_streamed(self) -> bool:
        """Whether it is read while training."""
        return bool(self.folder) and not self.is_resident

    @property
    def is_fetched(self) -> bool:
        """Whether it needs files in the data folder."""
        return bool(self.files or self.folder)


class Split(NamedTuple):
    """Images (N, C, H, W) as uint8 and labels (N,) as int64."""

    images: np.ndarray
    labels: np.ndarray
    source: str = "its files"  # where the labels were read, for errors

    def subset(self, chosen: np.ndarray) -> "Split":
        """Return the images of these indices."""
        return Split(self.images[chosen], self.labels[chosen], self.source)


def facts(name: str) -> Facts:
    """Return the facts of a dataset; raises ConfigError if nothing states them."""
    return find(name).FACTS


def find(name: str):
    """Return what has FACTS, `load`, perhaps `fetch`: the file `name`, or a set of one's own.

    Those of one's own are no sources of the runs of others.
    """
    if Path(__file__).with_name(f"{name}.py").is_file():
        return import_module(f"svp_core.datasets.{name}")
    return import_module("svp_core.data.own").Own(name)


def load(name: str, data_dir: Path) -> tuple[Split, Split] | tuple[ImageFiles, ImageFiles]:
    """Return the training and the test split.

    Raises DataError for files that are missing, damaged or contradict the facts.
    """
    known = facts(name)
    with reading(data_dir):
        verify(name, known.files, known.homepage, data_dir)
        train, test = find(name).load(data_dir)
    check(f"{name} train: {train.source}", train, known.train_size, known)
    check(f"{name} test: {test.source}", test, known.test_size, known)
    return train, test


def inventory(name: str, data_dir: Path) -> list[Path]:
    """Return the files of a dataset, which are the published ones as far as that is known.

    Checksums are published for small sets; sizes, classes and layout are checked for large ones.
    Raises MissingError for files that are not there, DataError for wrong ones.
    """
    known = facts(name)
    with reading(data_dir):
        verify(name, known.files, known.homepage, data_dir)
        if not known.folder:
            return [data_dir / file.path for file in known.files]
        train, test = find_images(name, known, data_dir)
    check(f"{name} train: {train.source}", train, known.train_size, known)
    check(f"{name} test: {test.source}", test, known.test_size, known)
    return train.files + test.files


def check(what: str, split: Split | ImageFiles | Listing, size: int, known: Facts) -> None:
    """Raise DataError unless a split has the size, shape and classes of the facts."""
    if len(split.labels) != size:
        raise DataError(
            f"{what}: {len(split.labels)} images, the published set has {size}; a subset is a"
            " dataset of its own, with its own file in svp_core/datasets that states its sizes"
        )
    if isinstance(split, Split) and split.images.shape != (size, *known.shape):
        raise DataError(f"{what}: images of {split.images.shape}, not {(size, *known.shape)}")
    if split.labels.min() < 0 or split.labels.max() >= known.classes:
        raise DataError(f"{what}: labels outside 0..{known.classes - 1}")
