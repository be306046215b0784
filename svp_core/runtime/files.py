"""Files that are whole or absent: written beside their place, then moved into it."""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

UMASK = os.umask(0)
os.umask(UMASK)


class OutputError(OSError):
    """A place that cannot be written; the message names it."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call `write` on a temporary file and move it to `path`; raises OutputError."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            temporary = Path(file.name)
            os.fchmod(file.fileno(), 0o666 & ~UMASK)  # temporary files are private otherwise
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch hides a full disk in a RuntimeError
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot write {path}: {reason}") from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


def require_writable(*paths: Path) -> None:
    """Raise OutputError now rather than after hours of training; changes nothing."""
    tried = set()
    for path in paths:
        try:
            folder = folder_for(path)
            if folder not in tried:
                tempfile.TemporaryFile(dir=folder).close()
                tried.add(folder)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def folder_for(path: Path) -> Path:
    """Return the folder of a file to write, or the one to make it in; raises OSError."""
    if path.is_dir():
        raise IsADirectoryError(None, "it is a folder")
    if path.exists() and not path.is_file():
        raise OSError(None, "it is no file")  # a device would become one
    folder, missing = path.parent, [path.name]
    while not folder.exists():
        if folder.is_symlink():
            raise NotADirectoryError(None, f"{folder} leads nowhere")
        folder, missing = folder.parent, [folder.name, *missing]
    if not folder.is_dir():
        raise NotADirectoryError(None, f"{folder} is no folder")
    for name in missing:
        require_short(folder, name)
    return folder


def require_short(folder: Path, name: str) -> None:
    """Raise OSError for a name that the file system of a folder cannot have."""
    longest = os.pathconf(folder, "PC_NAME_MAX")
    if len(os.fsencode(name)) > longest:
        raise OSError(None, f"a name of more than {longest} bytes")


def require_apart(outputs: Mapping[str, Path], inputs: Mapping[str, Path]) -> None:
    """Raise OutputError if an output is the file of another one, or an input, by whatever way.

    Keys say what a file is in the message.
    """
    taken = {real(path): what for what, path in inputs.items()}
    for what, path in outputs.items():
        other = taken.setdefault(real(path), what)
        if other != what:
            raise OutputError(f"{what} and {other} are the same file: {path}")


def real(path: Path) -> str:
    """Return the place of a file, links followed."""
    return os.path.realpath(path)
