"""Are the files there, and are they the published ones? Sizes and checksums, before any reading."""

import hashlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class DataError(ValueError):
    """Files that are missing or are not what they should be; the message names them."""


class MissingError(DataError):
    """Files that are not there at all."""


class File(NamedTuple):
    """A published file: its place below the data folder, MD5, and size in bytes if known."""

    path: str
    md5: str
    size: int | None = None


@contextmanager
def reading(what: object) -> Iterator[None]:
    """Raise DataError where the system refuses to read, such as the files of another user."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or brief(error)
        raise DataError(f"cannot read {error.filename or what}: {reason}") from error


def brief(text: object) -> str:
    """Return on one line, and not a long one, what somebody else's error says."""
    line = " ".join(str(text).split())
    return line if len(line) <= 300 else f"{line[:297]}..."


def verify(name: str, files: tuple[File, ...], homepage: str, data_dir: Path) -> None:
    """Raise DataError naming the files that are missing, or the first that is not as published."""
    missing = [data_dir / file.path for file in files if not (data_dir / file.path).is_file()]
    if missing:
        raise MissingError(f"{name}: files are missing:{advice(name, missing, homepage, data_dir)}")
    for file in files:
        if fault := difference(file, data_dir):
            raise DataError(f"{name}: {fault}; fetch it again: {fetch_command(name, data_dir)}")


def advice(name: str, expected: list[Path], homepage: str, data_dir: Path) -> str:
    """Which files are expected where, and how to get them."""
    return "".join(f"\n  {path}" for path in expected) + (
        "\nTrainings download nothing. Get the files, where there is a network, with"
        f"\n  {fetch_command(name, data_dir)}"
        "\nor, for a whole config, with"
        "\n  snakemake --cores 1 data --forcerun fetch --configfile YOUR_CONFIG"
        f"\nor by hand from {homepage}"
        "\nAnother folder: --data-dir, or for the workflow data_dir or SVP_DATA_DIR"
    )


def fetch_command(name: str, data_dir: Path) -> str:
    return f"python -m svp_core.fetch {name} --data-dir {data_dir}"


def difference(file: File, data_dir: Path) -> str | None:
    """How a file differs from the published one, or None; its size is compared first."""
    path = data_dir / file.path
    size = file_size(path)
    if file.size is not None and size != file.size:
        return f"{path} has {size} bytes, the published file {file.size}"
    if (found := checksum(path, "md5")) != file.md5:
        return f"{path} has MD5 {found}, the published file {file.md5}"
    return None


def file_size(path: Path) -> int:
    """Return the bytes of a file; raises DataError for a folder, or a pipe, which would block."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path} is no file")
    return found.st_size


def checksum(path: Path, algorithm: str) -> str:
    """Return the hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
