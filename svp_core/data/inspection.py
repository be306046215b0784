"""Every byte of some files, read once: their digests, and whether all their images decode."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from svp_core.data.files import DataError, checksum, file_size, reading
from svp_core.data.listing import SHARD
from svp_core.data.manifest import Entry
from svp_core.data.shards import shard_rows


def inspect(files: list[Path], data_dir: Path, is_decoded: bool) -> dict[str, Entry]:
    """Return what files are by their paths in the data folder, their images decoded if asked for.

    Raises DataError naming the first file, and row, that cannot be read or used.
    """
    look = decoded_entry if is_decoded else entry
    pool = ThreadPoolExecutor()
    try:
        names = [path.relative_to(data_dir).as_posix() for path in files]
        return dict(zip(names, pool.map(look, files), strict=True))
    finally:  # after an error the rest, which may be hours, is not waited for
        pool.shutdown(cancel_futures=True)


def entry(path: Path) -> Entry:
    """Return size and digest of a file."""
    with reading(path):
        return Entry(file_size(path), checksum(path, "sha256"))


def decoded_entry(path: Path) -> Entry:
    """Return the same, once every image in the file has been decoded."""
    from svp_core.data.decoding import ImageError, decode_rgb

    found = entry(path)
    for where, data in encoded_images(path):
        try:
            decode_rgb(data)
        except ImageError as error:
            raise DataError(f"{where} is {error}") from error
    return found


def encoded_images(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the images of a file, each with its place."""
    if path.suffix == SHARD:
        yield from ((where, data) for where, data, _ in shard_rows(path))
    else:
        with reading(path):
            data = path.read_bytes()
        yield str(path), data
