"""The manifest of a large set: bytes and SHA-256 of every file, as it was when it was fetched.

It lies in the data folder, where every training compares with it, whoever fetched the set.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from svp_core.data.files import DataError, brief, fetch_command, file_size

SHA256 = re.compile("[0-9a-f]{64}")


class Entry(NamedTuple):
    """What a file was, or is: its bytes and, once that is known, its SHA-256."""

    bytes: int
    sha256: str | None = None


class Manifest(NamedTuple):
    """A manifest that was read: its entries by path, and how many images had been decoded."""

    files: dict[str, Entry]
    images: int | None = None

    def difference(self, found: Mapping[str, Entry]) -> str | None:
        """How the first of the files that are found differs, or None; compares what is known."""
        for path in sorted(self.files.keys() | found.keys()):
            if fault := fault_of(self.files.get(path), found.get(path)):
                return f"{brief(path)} {fault}"
        return None


def fault_of(was: Entry | None, now: Entry | None) -> str | None:
    """How a file differs from what it was, or None."""
    if now is None:
        return "was there when the set was fetched, and is not now"
    if was is None:
        return "was not there when the set was fetched"
    if now.bytes != was.bytes:
        return f"has {now.bytes} bytes, when it was fetched {was.bytes}"
    is_another = now.sha256 not in (None, was.sha256)
    return "is not the file that was fetched: another SHA-256" if is_another else None


def renewal(name: str, data_dir: Path, manifest: Path | None = None) -> str:
    """What to do if a set has changed on purpose."""
    copy = f" --manifest {manifest}" if manifest else ""
    command = f"{fetch_command(name, data_dir)}{copy} --renew"
    return f"if the set is right as it is now, renew its manifest: {command}"


def manifest_path(name: str, data_dir: Path) -> Path:
    """Where the manifest of a large set lies."""
    return data_dir / f"{name}.json"


def read_manifest(name: str, data_dir: Path) -> Manifest:
    """Return the manifest that lies with a set; raises DataError if it is missing or damaged."""
    path = manifest_path(name, data_dir)
    try:
        return parse_manifest(path, name)
    except FileNotFoundError:
        raise DataError(f"{path} is missing; write it: {fetch_command(name, data_dir)}") from None
    except ValueError as error:
        raise DataError(f"{path} is damaged ({brief(error)}); {renewal(name, data_dir)}") from error


def parse_manifest(path: Path, name: str) -> Manifest:
    """Return the manifest of a dataset in a file; raises ValueError naming the key, and OSError."""
    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=once_each)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(content, dict) or content.get("dataset") != name:
        raise ValueError(f"dataset: it is not that of {name}")
    files, images = content.get("files"), content.get("images")
    if not isinstance(files, dict):
        raise ValueError("files: not a mapping")
    if images is not None and type(images) is not int:
        raise ValueError("images: not an integer")
    return Manifest({path: parse_entry(path, entry) for path, entry in files.items()}, images)


def parse_entry(path: str, entry: object) -> Entry:
    """Return an entry; a schema would take minutes for a million of them."""
    if not isinstance(entry, dict) or entry.keys() != {"bytes", "sha256"}:
        raise ValueError(f"files: {path!r}: not bytes and sha256")
    if type(entry["bytes"]) is not int or entry["bytes"] < 0:
        raise ValueError(f"files: {path!r}: bytes: not a size")
    if not isinstance(entry["sha256"], str) or not SHA256.fullmatch(entry["sha256"]):
        raise ValueError(f"files: {path!r}: sha256: not 64 digits")
    return Entry(**entry)


def once_each(pairs: Iterable[tuple[str, object]]) -> dict:
    """Return a JSON object; raises ValueError for a key that it has twice."""
    content = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"{key!r}: twice")
        content[key] = value
    return content


def sizes(files: Iterable[Path], data_dir: Path) -> dict[str, Entry]:
    """Return what is known of files before they are read."""
    return {path.relative_to(data_dir).as_posix(): Entry(file_size(path)) for path in files}
