"""Where a set of one's own comes from: imagefolder:PATH, or hub:NAME@REVISION[/FOLDER].

Its files are linked in the data folder in the layout that is read from there; nothing is copied.
What comes from the hub is downloaded beside it, once.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from svp_core.config.pairs import ConfigError
from svp_core.data import hub
from svp_core.data.files import DataError
from svp_core.data.listing import IMAGES, SHARD, subfolders

TESTS = ("val", "validation", "valid", "test")  # names of the test images, in order of preference
HUB = re.compile(r"hub:([\w.-]+/[\w.-]+)@([0-9a-f]{40})(?:/([\w./-]+))?")
EVERY = 5  # where no folder has test images: one image of a class in so many
Link = tuple[str, Path]  # a place below the folder of the set, and what it shows


def place(name: str, source: str, data_dir: Path) -> None:
    """Link the files of a source as the folder NAME of the data folder, which is whole or absent.

    Raises ConfigError for a source that cannot be read so, DataError for one that has no images.
    """
    folder = data_dir / name
    if folder.exists() and not is_linked(folder):
        raise ConfigError(f"dataset {name}: {folder} is there already; choose another name")
    kind, _, where = source.partition(":")
    if kind == "imagefolder" and where:
        links = list(of_folder(Path(where).expanduser().resolve()))
    elif found := HUB.fullmatch(source):
        links = list(of_shards(downloaded(name, *found.groups(), data_dir)))
    else:
        raise ConfigError(
            f"source: {source!r} is neither imagefolder:PATH nor hub:OWNER/NAME@REVISION, a commit"
            " of 40 digits"
        )
    partial = folder.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for there, shown in links:
        (partial / there).parent.mkdir(parents=True, exist_ok=True)
        (partial / there).symlink_to(shown)
    if folder.exists():
        shutil.rmtree(folder)  # links alone
    partial.rename(folder)


def is_linked(folder: Path) -> bool:
    """Whether a folder holds links alone, apart from folders."""
    return all(path.is_symlink() or path.is_dir() for path in folder.rglob("*"))


def of_folder(root: Path) -> Iterator[Link]:
    """Yield links to train and val of a folder, or to every image of a folder of classes."""
    if not root.is_dir():
        raise ConfigError(f"source: imagefolder:{root} is no folder")
    inside = subfolders(root)
    if "train" not in inside:
        yield from of_classes(root, inside)
        return
    tests = [one for one in TESTS if one in inside]
    if not tests:
        raise DataError(f"{root} has train, but none of {', '.join(TESTS)}")
    yield from (("train", root / "train"), ("val", root / tests[0]))


def of_classes(root: Path, classes: list[str]) -> Iterator[Link]:
    """Yield links that divide the images of every class, the same way in every fetch."""
    if not classes:
        raise DataError(f"{root} has no folder of a class")
    for label in classes:
        files = [one for one in (root / label).iterdir() if one.suffix.lower() in IMAGES]
        if len(files) < 2:
            raise DataError(f"{root / label}: {len(files)} images; one is to train, one to test on")
        order = np.random.default_rng(0).permutation(len(files))
        for file, rank in zip(sorted(files), order, strict=True):
            part = "val" if rank % EVERY == 0 else "train"
            yield f"{part}/{label}/{file.name}", file


def downloaded(name: str, repository: str, revision: str, inside: str | None, data_dir: Path):
    """Return the folder of the shards of a repository of the hub, downloaded unless it is there."""
    folder = data_dir / f"{name}.{revision[:12]}"
    if not folder.is_dir():
        pattern = f"{inside}/*{SHARD}" if inside else f"*{SHARD}"
        hub.download(repository, revision, [pattern], folder)
    return folder / inside if inside else folder


def of_shards(root: Path) -> Iterator[Link]:
    """Yield links to the shards of train and of the test images; raises DataError."""
    parts: dict[str, list[Path]] = {}
    for path in sorted(root.rglob(f"*{SHARD}")):
        words = set(re.split(r"[/.-]", path.relative_to(root).as_posix()))
        for part in ("train", *TESTS):
            if part in words:
                parts.setdefault(part, []).append(path)
    tests = [one for one in TESTS if one in parts]
    if "train" not in parts or not tests:
        raise DataError(f"{root} has no shards (*{SHARD}) of train and of {', '.join(TESTS)}")
    chosen = parts["train"] + parts[tests[0]]
    if len(settings := sorted({setting(path, root) for path in chosen})) > 1:
        raise DataError(
            f"{root} has several settings: {', '.join(settings)}; add one to the source, as"
            f" hub:NAME@REVISION/{settings[-1]}"
        )
    for part, paths in (("train", parts["train"]), ("validation", parts[tests[0]])):
        yield from ((f"{part}/{path.relative_to(root).as_posix().replace('/', '-')}", path)
                    for path in paths)  # fmt: skip


def setting(path: Path, root: Path) -> str:
    """Return the folders of a shard but for its part: what the hub calls a configuration."""
    folders = path.relative_to(root).parts[:-1]
    return "/".join(one for one in folders if one not in ("train", *TESTS)) or "."
