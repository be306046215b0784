"""Datasets that no file of svp_core/datasets states: a fetch finds and writes down their facts.

`NAME.facts.json` in the data folder says where a set comes from and what is known of it; its files
are linked in the folder NAME beside it.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from svp_core.config.pairs import ConfigError
from svp_core.data import sources
from svp_core.data.files import DataError
from svp_core.data.image_files import ImageFiles, read_image_files
from svp_core.data.listing import SHARD, Listing, find_images, subfolders
from svp_core.data.shards import class_names, shard_rows
from svp_core.datasets import Facts, Split
from svp_core.runtime.files import write_atomically

SUFFIX = ".facts.json"
RESIDENT = 2**30  # bytes of pixels; a smaller set lives on the device, a larger one is streamed
SAMPLE = 1000  # training images of a streamed set that mean and deviation are taken of
MOST_CLASSES = 10**6

folder = Path(os.environ.get("SVP_DATA_DIR", "data"))  # where sets are looked for


def look_in(data_dir: Path) -> None:
    """Say where the data are."""
    global folder
    folder = Path(data_dir)


def names() -> list[str]:
    """Return the sets that are described."""
    return sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))


def facts_file(name: str) -> Path:
    return folder / f"{name}{SUFFIX}"


class Own:
    """What the file of a published set has: FACTS, `load` and `fetch`."""

    def __init__(self, name: str):
        described = read(name)
        self.name, self.source, known = name, described["source"], described["facts"]
        lists = {key: tuple(one) for key, one in known.items() if isinstance(one, list)}
        self.FACTS = Facts(**known | lists)

    def load(self, data_dir: Path) -> list[Split] | list[ImageFiles]:
        """Return training and test images; raises DataError."""
        parts = read_image_files(self.name, self.FACTS, data_dir)
        return [resident(one, self.FACTS) for one in parts] if self.FACTS.is_resident else parts

    def fetch(self, data_dir: Path) -> None:
        """Bring the files to the data folder."""
        sources.place(self.name, self.source, data_dir)


def read(name: str) -> dict:
    """Return what is written down of a set; raises ConfigError."""
    path = facts_file(name)
    try:
        found = json.loads(path.read_text())
        return {key: found[key] for key in ("source", "size", "facts")}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"dataset {name}: {path} cannot be read; {advice(name)}") from error


def advice(name: str, source: str = "SOURCE", size: int | None = None) -> str:
    """Return the command that describes a set."""
    pixels = f" --size {size}" if size else ""
    command = f"python -m svp_core.fetch {name} --source {source}{pixels} --data-dir {folder}"
    return f"describe it: {command}"


def require(declared: Mapping[str, Mapping]) -> None:
    """Raise ConfigError unless the sets that a config declares were fetched as it says."""
    for name, given in declared.items():
        source, size = given["source"], given.get("size")
        if name not in names():
            raise ConfigError(f"datasets.{name}: not fetched; {advice(name, source, size)}")
        found = read(name)
        for key, value in (("source", source), ("size", size)):
            if found[key] != value:
                raise ConfigError(
                    f"datasets.{name}.{key}: {value}, but that of the fetched set is {found[key]};"
                    f" {advice(name, source, size)} --renew"
                )


def describe(name: str, source: str, size: int | None, data_dir: Path) -> None:
    """Bring a set to the data folder, find its facts and write them down.

    Raises ConfigError for what is wrong with source or size, DataError naming a file.
    """
    sources.place(name, source, data_dir)
    known = find_facts(name, source, size, data_dir)
    text = json.dumps({"source": source, "size": size, "facts": asdict(known)}, indent=1)
    path = data_dir / f"{name}{SUFFIX}"
    write_atomically(path, lambda file: file.write(f"{text}\n".encode()))


def find_facts(name: str, source: str, size: int | None, data_dir: Path) -> Facts:
    """Return the facts of a set whose files are there."""
    folders = tuple(subfolders(data_dir / name / "train"))
    shards = sorted((data_dir / name / "train").glob(f"*{SHARD}"))
    labels = tuple(class_names(shards[0])) if shards else folders
    nothing = (0.0,) * 3, (1.0,) * 3
    known = Facts(
        len(labels) or MOST_CLASSES, (3, 0, 0), 0, 0, *nothing, "as its source says", source,
        folder=name, class_folders=() if shards else folders,
    )  # fmt: skip
    train, test = find_images(name, known, data_dir)
    classes = len(labels) or int(train.labels.max()) + 1
    sizes = {"train_size": len(train.labels), "test_size": len(test.labels)}
    known = replace(known, classes=classes, **sizes)
    return with_pixels(known, train, size)


def with_pixels(known: Facts, train: Listing, size: int | None) -> Facts:
    """Return the facts with shape and normalisation, found on training images."""
    height, width = (size, size) if size else one_size(train)
    count = known.train_size + known.test_size
    is_resident = count * 3 * height * width <= RESIDENT
    known = replace(known, shape=(3, height, width), is_resident=is_resident)
    limit = known.train_size if is_resident else SAMPLE
    images = (fitted(image, (height, width)) / 255 for image in decoded(train, limit))
    total, squares, is_grey, count = np.zeros(3), np.zeros(3), is_resident, 0
    for image in images:  # (3, H, W)
        total += image.mean(axis=(1, 2))
        squares += (image**2).mean(axis=(1, 2))
        is_grey = is_grey and bool((image == image[:1]).all())
        count += 1
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
    if (std < 1e-3).any():
        raise DataError(f"{train.source}: the images have no contrast")
    shown = 1 if is_grey else 3
    rounded = [tuple(round(float(one), 4) for one in part[:shown]) for part in (mean, std)]
    return replace(known, shape=(shown, height, width), mean=rounded[0], std=rounded[1])


def one_size(train: Listing) -> tuple[int, int]:
    """Return height and width of the images; raises ConfigError if they differ."""
    found = {(image.height, image.width) for image in decoded(train, SAMPLE)}
    if len(found) > 1:
        (low, high), *_ = zip(sorted(found), sorted(found)[::-1], strict=True)
        raise ConfigError(
            f"size: the images differ, as {low[0]}x{low[1]} and {high[0]}x{high[1]} pixels; state"
            " the side that they are brought to"
        )
    return found.pop()


def decoded(listing: Listing, limit: int) -> Iterator:
    """Yield images of a split, evenly chosen if there are more; raises DataError."""
    from svp_core.data.decoding import ImageError, decode_rgb

    step = max(1, len(listing.labels) // limit)
    for place, (where, data) in enumerate(encoded(listing)):
        if place % step == 0:
            try:
                yield decode_rgb(data)
            except ImageError as error:
                raise DataError(f"{where} is {error}") from error


def encoded(listing: Listing) -> Iterator[tuple[str, bytes]]:
    for path in listing.files:
        if path.suffix == SHARD:
            yield from ((where, data) for where, data, _ in shard_rows(path))
        else:
            yield str(path), path.read_bytes()


def fitted(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Return the middle of an image (3, H, W), as large as fits, in a size; uint8."""
    height, width = size
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


def resident(files: ImageFiles, facts: Facts) -> Split:
    """Return the images (N, C, H, W) of a split and their labels, in the order of the files."""
    from svp_core.data.streaming import decode

    channels, *size = facts.shape
    images = [fitted(decode(sample), tuple(size))[:channels] for sample in files.samples(None)]
    return Split(np.stack(images), np.asarray(files.labels), files.source)
