"""Large sets: encoded images in class folders or parquet shards, read while training.

Every byte that is read is compared with the manifest that `svp_core.fetch` wrote beside the set.
"""

import json
from collections.abc import Iterator
from copy import copy
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from svp_core.data.files import (
    DataError,
    MissingError,
    advice,
    checksum,
    fetch_command,
    manifest_path,
)

IMAGES, SHARD = {".jpeg", ".jpg", ".png"}, ".parquet"
PARTS = {"train": ("train",), "test": ("val", "validation")}  # names of folders and of shards
BUFFER = 10000  # images among which a stream of shards is shuffled, about 1 GB


class Sample(NamedTuple):
    """One encoded image: its data or, if that is a whole file, the SHA-256 that it must have."""

    index: int  # in the published split
    label: int
    where: str  # file, and row if there are several, for errors
    data: bytes | None = None
    sha256: str | None = None


class Listing(NamedTuple):
    """The files of a split, as they lie there."""

    files: list[Path]
    sizes: list[int]  # images in each file
    labels: np.ndarray  # (N,) int64, of all files
    source: str


class ImageFiles(Protocol):
    """A split of a large set."""

    labels: np.ndarray  # (N,) int64
    source: str

    def subset(self, chosen: np.ndarray) -> "ImageFiles":
        """Return the images of these indices."""

    def samples(self, seed: int | None) -> Iterator[Sample]:
        """Yield all images, in an order drawn from the seed, or in that of the files."""


class FolderImages:
    """One file an image, shuffled as a whole."""

    def __init__(self, listing: Listing, digests: list[str]):
        self.files, self.digests = listing.files, digests
        self.labels, self.source = listing.labels, listing.source
        self.chosen = np.arange(len(self.labels))

    def subset(self, chosen: np.ndarray) -> "FolderImages":
        part = copy(self)
        part.chosen, part.labels = self.chosen[chosen], self.labels[chosen]
        return part

    def samples(self, seed: int | None) -> Iterator[Sample]:
        order = np.arange(len(self.chosen))
        if seed is not None:
            np.random.default_rng(seed).shuffle(order)
        for place in order:
            index = int(self.chosen[place])
            file, digest = str(self.files[index]), self.digests[index]
            yield Sample(index, int(self.labels[place]), file, sha256=digest)


class ShardImages:
    """Parquet shards of many images, streamed by Hugging Face datasets through a shuffle buffer."""

    def __init__(self, listing: Listing, digests: list[str]):
        starts = np.cumsum([0, *listing.sizes])[:-1].tolist()
        self.shards = list(zip(map(str, listing.files), digests, starts, strict=True))
        self.labels, self.source = listing.labels, listing.source
        self.is_chosen = np.ones(len(self.labels), dtype=bool)

    def subset(self, chosen: np.ndarray) -> "ShardImages":
        part = copy(self)
        part.labels = self.labels[chosen]
        part.is_chosen = np.zeros_like(self.is_chosen)
        part.is_chosen[np.flatnonzero(self.is_chosen)[chosen]] = True
        return part

    def samples(self, seed: int | None) -> Iterator[Sample]:
        from datasets import IterableDataset

        rows = IterableDataset.from_generator(read_rows, gen_kwargs={"shards": self.shards})
        if seed is not None:
            rows = rows.shuffle(seed=seed, buffer_size=BUFFER)
        return (Sample(**row) for row in rows if self.is_chosen[row["index"]])


def read_rows(shards: list[tuple[str, str, int]]) -> Iterator[dict]:
    """Yield the fields of every sample of some shards, once the shard is what the manifest says."""
    import pyarrow.parquet as parquet

    for path, digest, start in shards:
        require_digest(path, digest)
        batches = parquet.ParquetFile(path).iter_batches(64, columns=["image", "label"])
        rows = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(rows):
            where = f"{path} row {number}"
            data, label = row["image"]["bytes"], row["label"]
            yield {"index": start + number, "label": label, "where": where, "data": data}


@cache
def require_digest(path: str, digest: str) -> None:
    """Raise DataError unless a file is what the manifest says; once a process."""
    if checksum(Path(path), "sha256") != digest:
        raise DataError(f"{path} is not the file that was fetched: another SHA-256")


def read_image_files(name: str, facts, data_dir: Path) -> list[ImageFiles]:
    """Return training and test split of a large set; raises DataError unless all is as fetched."""
    listings = find_images(name, facts, data_dir)
    manifest = read_manifest(name, data_dir)
    return [open_listing(listing, manifest, name, data_dir) for listing in listings]


def open_listing(listing: Listing, manifest: dict, name: str, data_dir: Path) -> ImageFiles:
    """Return a split whose files have the sizes of the manifest; their bytes are checked later."""
    digests = []
    for path in listing.files:
        entry = manifest.get(path.relative_to(data_dir).as_posix(), {})
        if (size := path.stat().st_size) != entry.get("bytes"):
            raise DataError(
                f"{path} has {size} bytes, when it was fetched {entry.get('bytes')}; if it is"
                f" right, renew the manifest: {fetch_command(name, data_dir)}"
            )
        digests.append(entry.get("sha256"))
    is_sharded = listing.files[0].suffix == SHARD
    return (ShardImages if is_sharded else FolderImages)(listing, digests)


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
    found = sorted(path for path in data_dir.glob(facts.folder) if path.is_dir())
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
    return sorted(path.name for path in folder.glob("*") if path.is_dir())


def shard_labels(path: Path, classes: int) -> np.ndarray:
    """Return the labels (N,) of a shard; raises DataError for one that cannot be read."""
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        file = parquet.ParquetFile(path)
        if missing := {"image", "label"} - set(file.schema_arrow.names):
            raise DataError(f"{path} has no column {', '.join(sorted(missing))}")
        labels = file.read(columns=["label"])["label"].to_numpy().astype(np.int64)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is no whole parquet file: {error}") from error
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise DataError(f"{path}: labels outside 0..{classes - 1}")
    return labels


def is_part(path: Path, root: Path, part: str) -> bool:
    """Whether a shard such as train/0000.parquet or train-0-of-3.parquet belongs to the split."""
    *folders, name = path.relative_to(root).parts
    return any(word in PARTS[part] for word in (*folders, name.split("-")[0].split(".")[0]))


def read_manifest(name: str, data_dir: Path) -> dict[str, dict]:
    """Map the files of a large set to what they were when fetched: bytes and SHA-256."""
    path = manifest_path(name, data_dir)
    try:
        return dict(json.loads(path.read_text())["files"])
    except FileNotFoundError:
        raise DataError(f"{path} is missing; write it: {fetch_command(name, data_dir)}") from None
    except (ValueError, LookupError, TypeError) as error:
        raise DataError(f"{path} is damaged; renew it: {fetch_command(name, data_dir)}") from error
