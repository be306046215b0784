"""Tiny sets in the exact original formats, and facts that call them the published ones."""

import hashlib
import io
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from svp_core import datasets, fetch
from svp_core.data.files import File

WNIDS = ("n01440764", "n02102040", "n02979186")


def pixels(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    """The IDX format: zeros, type 8 (uint8), dimensions, big-endian sizes, then the bytes."""
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_idx(folder: Path, counts=(60, 20), classes: int = 10) -> None:
    (folder / "raw").mkdir(parents=True)
    for part, count, seed in zip(("train", "t10k"), counts, (0, 1), strict=True):
        images, labels = pixels(count, 28, 28, seed=seed), np.arange(count) % classes
        (folder / f"raw/{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"raw/{part}-labels-idx1-ubyte").write_bytes(idx(labels))


class Python2Pickler(pickle._Pickler):
    """Writes strings and bytes as Python 2 did, which knew only one kind of them."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_string(self, value: str | bytes) -> None:
        data = value.encode("latin1") if isinstance(value, str) else value
        is_short = len(data) < 256
        size = len(data).to_bytes(1 if is_short else 4, "little")
        self.write((pickle.SHORT_BINSTRING if is_short else pickle.BINSTRING) + size + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def cifar(content: dict) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(content)
    return buffer.getvalue()


def write_cifar10(folder: Path, size: int = 8) -> None:
    """Five batches and a test batch, of `size` images each."""
    folder.mkdir(parents=True)
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for seed, name in enumerate(names):
        content = {"batch_label": name, "labels": [i % 10 for i in range(size)]}
        content |= {"data": pixels(size, 3072, seed=seed), "filenames": ["a.png"] * size}
        (folder / name).write_bytes(cifar(content))
    (folder / "batches.meta").write_bytes(cifar({"label_names": list("abcdefghij")}))


def write_cifar100(folder: Path, counts=(200, 100)) -> None:
    folder.mkdir(parents=True)
    for seed, (name, count) in enumerate(zip(("train", "test"), counts, strict=True)):
        labels = [i % 100 for i in range(count)]
        content = {"fine_labels": labels, "coarse_labels": [label // 5 for label in labels]}
        (folder / name).write_bytes(cifar(content | {"data": pixels(count, 3072, seed=seed)}))
    (folder / "meta").write_bytes(cifar({"fine_label_names": [f"c{i}" for i in range(100)]}))


def jpeg(seed: int, height: int = 40, width: int = 30, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    picture = Image.fromarray(pixels(1, height, width, 3, seed=seed)[0]).convert(mode)
    picture.save(buffer, "JPEG")
    return buffer.getvalue()


def encoded(each: int, part: str) -> list[tuple[str, int, bytes]]:
    """Name, label and JPEG of `each` images a class; the first one is grey, as some really are."""
    start = {"train": 0, "val": 1000}[part]
    numbers = [
        (label, label * each + place) for label in range(len(WNIDS)) for place in range(each)
    ]
    return [
        (f"{WNIDS[label]}_{n:02}.JPEG", label, jpeg(start + n, mode="RGB" if n else "L"))
        for label, n in numbers
    ]


def write_folder(folder: Path, each=(8, 2)) -> None:
    """An image folder: train and val, a folder a class."""
    for part, count in zip(("train", "val"), each, strict=True):
        for name, label, data in encoded(count, part):
            path = folder / part / WNIDS[label] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def write_shards(folder: Path, each=(8, 2), shards=(3, 1)) -> None:
    """The same images as parquet shards of the Hugging Face hub."""
    for part, hub_part, count, number in zip(
        ("train", "val"), ("train", "validation"), each, shards, strict=True
    ):
        rows = encoded(count, part)
        (folder / hub_part).mkdir(parents=True)
        for index, chosen in enumerate(np.array_split(np.arange(len(rows)), number)):
            write_shard(folder / hub_part / f"{index:04}.parquet", [rows[i] for i in chosen])


def write_shard(path: Path, rows: list[tuple[str, int, bytes]]) -> None:
    from datasets import ClassLabel, Dataset, Features, Image

    features = Features({"image": Image(), "label": ClassLabel(names=list(WNIDS))})
    columns = [
        {"image": {"path": name, "bytes": data}, "label": label} for name, label, data in rows
    ]
    Dataset.from_list(columns, features=features).to_parquet(path)


def published(name: str, data_dir: Path, **changes) -> datasets.Facts:
    """The facts of a small set, as if what lies in `data_dir` had been published."""
    known = datasets.facts(name)
    paths = [data_dir / file.path for file in known.files]
    files = tuple(
        File(file.path, hashlib.md5(path.read_bytes()).hexdigest(), path.stat().st_size)
        for file, path in zip(known.files, paths, strict=True)
    )
    return replace(known, files=files, **changes)


def tiny_images(**changes) -> datasets.Facts:
    """Facts of the images of `write_folder` and `write_shards`, to be cut to 16 pixels."""
    known = replace(datasets.facts("imagenette"), classes=3, class_folders=WNIDS)
    return replace(known, shape=(3, 16, 16), train_size=24, test_size=6, **changes)


def damage(path: Path, kind: str) -> None:
    """Truncate a file, flip a bit in its middle, or lengthen it."""
    content = bytearray(path.read_bytes())
    if kind == "truncated":
        content = content[: len(content) * 2 // 3]
    elif kind == "flipped":
        content[len(content) // 2] ^= 1
    else:
        content += b"\0"
    path.write_bytes(content)


def contents(folder: Path) -> dict[Path, bytes | None]:
    """What lies in a folder, to see that nothing in it changed."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def fetched_imagenette(folder: Path, form: str, monkeypatch) -> Path:
    """Fill a data folder with a tiny Imagenette, a `folder` of images or `shards`; return it."""
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", tiny_images())
    if form == "folder":
        write_folder(folder / "imagenette2-tiny")
    else:
        write_shards(folder / "imagenette")
    fetch.fetch("imagenette", folder)
    return folder
