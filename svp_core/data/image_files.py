"""Large sets: encoded images in class folders or parquet shards, read while training.

Every byte that is read is compared with the manifest that `svp_core.fetch` wrote beside the set.
"""

from collections.abc import Iterator
from copy import copy
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from svp_core.data.files import DataError, checksum
from svp_core.data.listing import SHARD, Listing, find_images
from svp_core.data.manifest import Manifest, read_manifest, renewal, sizes
from svp_core.data.shards import shard_rows

BUFFER = 10000  # images among which a stream of shards is shuffled, about 1 GB


class Sample(NamedTuple):
    """One encoded image: its data or, if that is a whole file, the SHA-256 that it must have."""

    index: int  # in the published split
    label: int
    where: str  # file, and row if there are several, for errors
    data: bytes | None = None
    sha256: str | None = None


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
    for path, digest, start in shards:
        require_digest(path, digest)
        for number, (where, data, label) in enumerate(shard_rows(Path(path))):
            yield {"index": start + number, "label": label, "where": where, "data": data}


@cache
def require_digest(path: str, digest: str) -> None:
    """Raise DataError unless a file is what the manifest says; once a process."""
    if checksum(Path(path), "sha256") != digest:
        raise DataError(f"{path} is not the file that was fetched: another SHA-256")


def read_image_files(name: str, facts, data_dir: Path) -> list[ImageFiles]:
    """Return training and test split of a large set; raises DataError unless all is as fetched.

    Names and sizes are compared here, the bytes when they are read.
    """
    listings = find_images(name, facts, data_dir)
    manifest = read_manifest(name, data_dir)
    found = sizes([file for listing in listings for file in listing.files], data_dir)
    if difference := manifest.difference(found):
        raise DataError(f"{data_dir}/{difference}; {renewal(name, data_dir)}")
    return [open_listing(listing, manifest, data_dir) for listing in listings]


def open_listing(listing: Listing, manifest: Manifest, data_dir: Path) -> ImageFiles:
    """Return a split whose files must have the digests of the manifest."""
    paths = (path.relative_to(data_dir).as_posix() for path in listing.files)
    digests = [manifest.files[path].sha256 for path in paths]
    is_sharded = listing.files[0].suffix == SHARD
    return (ShardImages if is_sharded else FolderImages)(listing, digests)
