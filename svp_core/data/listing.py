"""Which files a large set has and which labels: class folders, or shards in parquet."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np

from svp_core.data.files import DataError, MissingError, advice
from svp_core.data.shards import shard_labels

IMAGES, SHARD = {".jpeg", ".jpg", ".png"}, ".parquet"
PARTS = {"train": ("train",), "test": ("val", "validation")}  # names of folders and of shards


class Listing(NamedTuple):
    """The files of a split, as they lie there."""

    files: list[Path]
    sizes: list[int]  # images in each file
    labels: np.ndarray  # (N,) int64, of all files
    source: str


def find_images(name: str, facts, data_dir: Path) -> list[Listing]:
    """Return training and test files; raises DataError for a wrong class, shard or layout."""
    root = find_folder(name, facts, data_dir)
    list_split = list_folders if subfolders(root / "train") else list_shards
    listings = [list_split(root, part, facts) for part in PARTS]
    for listing in listings:
        if not listing.files:
            raise DataError(f"{name}: {listing.source} is empty")
    return listings


def find_folder(name: str, facts, data_dir: Path) -> Path:
    """Return the one folder of a large set; raises DataError if there is none, or several."""
    found = [data_dir / one for one in subfolders(data_dir) if fnmatchcase(one, facts.folder)]
    if len(found) > 1:
        raise DataError(f"{name}: {' and '.join(map(str, found))}: keep only one of them")
    if not found:
        folder = data_dir / facts.folder
        layouts = [folder / "{train,val}/<class>/*.JPEG", folder / "**/{train,validation}*.parquet"]
        listed = advice(name, layouts, facts.homepage, data_dir)
        raise MissingError(f"{name}: files are missing, in either of these layouts:{listed}")
    return found[0]


def list_shards(root: Path, part: str, facts) -> Listing:
    """Return the shards of a split and the labels in them."""
    files = [path for path in sorted(root.rglob(f"*{SHARD}")) if is_part(path, root, part)]
    labels = [shard_labels(path, facts.classes) for path in files]
    joined = np.concatenate([np.empty(0, np.int64), *labels])
    return Listing(files, [len(some) for some in labels], joined, f"{root} ({part} shards)")


def list_folders(root: Path, part: str, facts) -> Listing:
    """Return the images of a split, the label being the place of their folder."""
    files, labels = [], []
    for label, folder in enumerate(class_folders(root, part, facts)):
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGES)
        files += found
        labels += [label] * len(found)
    return Listing(files, [1] * len(files), np.array(labels, np.int64), str(root / PARTS[part][0]))


def class_folders(root: Path, part: str, facts) -> list[Path]:
    """Return the folder of every class, in the order of the labels."""
    parent = root / PARTS[part][0]
    found = subfolders(parent)
    expected = facts.class_folders or subfolders(root / "train")
    if len(expected) != facts.classes:
        raise DataError(f"{parent}: {len(expected)} class folders, not {facts.classes}")
    if strays := sorted(set(found) - set(expected)):
        raise DataError(f"{parent / strays[0]} is no class of this dataset")
    if missing := sorted(set(expected) - set(found)):
        raise DataError(f"{parent}: the class folders {', '.join(missing)} are missing")
    return [parent / name for name in expected]


def subfolders(folder: Path) -> list[str]:
    """Return the names in order; none if there is no such folder."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in paths if path.is_dir())


def is_part(path: Path, root: Path, part: str) -> bool:
    """Whether a shard such as train/0000.parquet or train-0-of-3.parquet belongs to the split."""
    *folders, name = path.relative_to(root).parts
    return any(word in PARTS[part] for word in (*folders, name.split("-")[0].split(".")[0]))
