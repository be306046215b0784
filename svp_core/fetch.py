"""Fetch a dataset once: download what is missing, verify all of it, write a manifest.

python -m svp_core.fetch mnist --data-dir data
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

from svp_core import datasets
from svp_core.config import require_file
from svp_core.data.files import DataError, MissingError, checksum, manifest_path
from svp_core.runtime import commands
from svp_core.runtime.files import require_apart, require_writable, write_atomically


@commands.command(DataError)
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend."""
    parser = commands.Parser(prog="python -m svp_core.fetch", description=__doc__)
    parser.add_argument("name", help="a file of svp_core/datasets")
    commands.add_data_dir(parser)
    manifest = "where to write what was found (JSON)"
    parser.add_argument("--manifest", type=commands.file, help=manifest)
    options = parser.parse_args(arguments)
    require_file("dataset", options.name)
    fetch(options.name, options.data_dir, options.manifest)
    return 0


def fetch(name: str, data_dir: Path, manifest: Path | None = None) -> None:
    """Download a dataset unless its files are there and right, and write its manifest.

    That of a large set is also written to the data folder, where trainings compare with it.
    Raises DataError if there is no download, or naming a file that is wrong.
    """
    known = datasets.facts(name)
    places = [manifest] if manifest else []
    places += [manifest_path(name, data_dir)] if known.folder else []
    require_writable(*places)  # before gigabytes come
    try:
        files = datasets.inventory(name, data_dir)
    except DataError as error:
        if known.folder and not isinstance(error, MissingError):
            raise  # what somebody put there by hand is not replaced by gigabytes
        print(f"{name}: not all files are there and right; downloading ...", flush=True)
        download(name, data_dir, error)
        files = datasets.inventory(name, data_dir)
    inputs = {str(path): path for path in files}
    require_apart({f"manifest {place}": place for place in places[:1]}, inputs)
    text = json.dumps(describe(name, known, files, data_dir), indent=1).encode()
    for place in places:
        write_atomically(place, lambda file: file.write(text))
    print(f"{name}: {len(files)} files are right", *(f"manifest: {place}" for place in places))


def download(name: str, data_dir: Path, reason: DataError) -> None:
    """Let the dataset download itself, for a reason; raises DataError if that fails."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        import_module(f"svp_core.datasets.{name}").fetch(data_dir)
    except Exception as error:  # urllib, torchvision and the hub have no error in common
        raise DataError(f"{reason}\nno download from here: {error}") from error


def describe(name: str, known: datasets.Facts, files: list[Path], data_dir: Path) -> dict:
    """Return where a dataset comes from, and bytes and SHA-256 of every file."""
    with ThreadPoolExecutor() as pool:
        digests = pool.map(lambda path: checksum(path, "sha256"), files)
        entries = {
            path.relative_to(data_dir).as_posix(): {"bytes": path.stat().st_size, "sha256": digest}
            for path, digest in zip(files, digests, strict=True)
        }
    facts = {"dataset": name, "licence": known.licence, "homepage": known.homepage}
    return facts | {"files": entries}


if __name__ == "__main__":
    sys.exit(main())
