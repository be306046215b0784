"""Fetch a dataset once: download what is missing, verify all of it, write a manifest.

python -m svp_core.fetch mnist --data-dir data
"""

import argparse
import json
import re
import sys
from pathlib import Path

from svp_core import datasets
from svp_core.config import AXES, require_file
from svp_core.config.options import names
from svp_core.config.pairs import ConfigError
from svp_core.data import own
from svp_core.data.files import DataError, MissingError, brief, reading
from svp_core.data.inspection import inspect
from svp_core.data.manifest import Entry, manifest_path, parse_manifest, renewal
from svp_core.runtime import commands
from svp_core.runtime.files import require_apart, require_writable, write_atomically
from svp_core.runtime.printing import say


@commands.command(DataError)
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend, 130 at Ctrl-C."""
    options = parse_arguments(arguments)
    own.look_in(options.data_dir)
    asked = options.name, options.data_dir, options.manifest, options.renew
    if options.source:
        fetch_own(options.source, options.size, *asked)
    else:
        require_file("dataset", options.name)
        fetch(*asked)
    return 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = commands.Parser(prog="python -m svp_core.fetch", description=__doc__)
    parser.add_argument("name", help="a file of svp_core/datasets, or of a set of one's own")
    source = "of a set of one's own: imagefolder:PATH, or hub:OWNER/NAME@REVISION[/FOLDER]"
    parser.add_argument("--source", help=source)
    size = "pixels a side that its images are brought to"
    parser.add_argument("--size", type=commands.integer(1), help=size)
    commands.add_data_dir(parser)
    manifest = "where to write what was found (JSON)"
    parser.add_argument("--manifest", type=commands.file, help=manifest)
    renew = "accept a large set that differs from its manifests; its runs are other runs from then"
    parser.add_argument("--renew", action="store_true", help=renew)
    return parser.parse_args(arguments)


def fetch_own(
    source: str, size: int | None, name: str, data_dir: Path, *places: Path | bool | None
) -> None:
    """Fetch a set of one's own, and write its facts down; raises ConfigError too."""
    if not re.fullmatch("[a-z0-9_]+", name) or name in names(AXES["dataset"]):
        raise ConfigError(f"dataset {name}: choose another name, of a-z, 0-9 and _")
    data_dir.mkdir(parents=True, exist_ok=True)
    path = own.facts_file(name)
    before = path.read_bytes() if path.exists() else None
    own.describe(name, source, size, data_dir)
    try:
        fetch(name, data_dir, *places)
    except BaseException:
        path.unlink()
        if before is not None:
            path.write_bytes(before)
        raise


def fetch(name: str, data_dir: Path, manifest: Path | None = None, renew: bool = False) -> None:
    """Download a dataset unless its files are there and right, and write its manifest.

    A large set has no published checksums. Its images are decoded, and it is compared with the
    manifests that there are: the one in the data folder, where trainings look, and `manifest`.
    Raises DataError if there is no download, or naming a file that is wrong or has changed.
    """
    known = datasets.facts(name)
    places = [manifest_path(name, data_dir)] if known.folder else []
    places += [manifest] if manifest else []
    require_writable(*(place for place in places if not place.is_file()))  # before gigabytes come
    advice = renewal(name, data_dir, manifest)
    before = {} if renew else read_manifests(name, places[::-1], advice)
    files = find_or_download(name, known, data_dir)
    is_decoded = bool(known.folder) and not any(one.images for one, _ in before.values())
    require_apart({"--manifest": manifest or data_dir}, {str(path): path for path in files})
    found = inspect(files, data_dir, is_decoded)
    text = describe(name, known, found)
    for place, (recorded, recorded_text) in before.items() if known.folder else ():
        if difference := recorded.difference(found):
            raise DataError(f"{name}: {data_dir}/{difference} (says {place}); {advice}")
        text = recorded_text  # so that equal data have one hash, whatever else is said of them
    for place in places:
        if not is_there(place, text):
            write_atomically(place, lambda file: file.write(text))
    written = "".join(f"; manifest: {place}" for place in places)
    say(f"{name}: {verdict(known, len(files), is_decoded)}{written}")


def read_manifests(name: str, places: list[Path], advice: str) -> dict[Path, tuple]:
    """Return the manifests that there are, with their texts; raises DataError for a damaged one."""
    found = {}
    for place in places:
        try:
            with reading(place):
                if place.exists():
                    found[place] = parse_manifest(place, name), place.read_bytes()
        except DataError:
            raise
        except ValueError as error:
            raise DataError(f"{place} is damaged ({brief(error)}); {advice}") from error
    return found


def find_or_download(name: str, known: datasets.Facts, data_dir: Path) -> list[Path]:
    """Return the files of a dataset, downloaded if they are missing or not as published."""
    try:
        return datasets.inventory(name, data_dir)
    except DataError as error:
        if known.folder and not isinstance(error, MissingError):
            raise  # what somebody put there by hand is not replaced by gigabytes
        say(f"{name}: not all files are there and right; downloading ...")
        download(name, data_dir, error)
        return datasets.inventory(name, data_dir)


def download(name: str, data_dir: Path, reason: DataError) -> None:
    """Let the dataset download itself, for a reason; raises DataError if that fails."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        datasets.find(name).fetch(data_dir)
    except Exception as error:  # urllib, torchvision and the hub have no error in common
        link = "\n" if isinstance(reason, MissingError) else "; "  # after a list, or a line
        raise DataError(f"{reason}{link}no download from here: {brief(error)}") from error


def describe(name: str, known: datasets.Facts, found: dict[str, Entry]) -> bytes:
    """Return a manifest: where a dataset comes from, images decoded, bytes and SHA-256 of files."""
    facts = {"dataset": name, "licence": known.licence, "homepage": known.homepage}
    facts |= {"images": known.train_size + known.test_size} if known.folder else {}
    files = {path: entry._asdict() for path, entry in found.items()}
    return json.dumps(facts | {"files": files}, indent=1).encode()


def is_there(place: Path, text: bytes) -> bool:
    """Whether a file holds this already: a data folder of somebody else need not be writable."""
    try:
        return place.read_bytes() == text
    except OSError:
        return False


def verdict(known: datasets.Facts, count: int, is_decoded: bool) -> str:
    """What may be said of the files, which depends on what they were compared with."""
    if not known.is_fetched:
        return "it needs no files"
    if not known.folder:
        return f"{count} files are the published ones"
    if is_decoded:
        images = known.train_size + known.test_size
        return f"{count} files are right: all {images} images were decoded"
    return f"{count} files are those that were fetched and decoded before"


if __name__ == "__main__":
    sys.exit(main())
