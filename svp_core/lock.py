"""One writer a run: a second one waits until the first has ended, however that ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from svp_core import interruption
from svp_core.files import OutputError

SECONDS_BETWEEN_TRIES = 1


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, then delete it; raises OutputError and Interrupted.

    The kernel frees the lock of a process that dies, also on another node of a network file system.
    """
    file = acquire(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is still held, so that nobody else's is deleted
        os.close(file)


def acquire(path: Path) -> int:
    """Return the descriptor of the locked file."""
    is_announced = False
    while (file := try_once(path)) is None:
        if not is_announced:
            print(f"waiting for another process that trains this run ({path})", flush=True)
            is_announced = True
        interruption.check()
        time.sleep(SECONDS_BETWEEN_TRIES)
    return file


def try_once(path: Path) -> int | None:
    """Return the descriptor of the file, locked, or None if another process holds it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    try:
        # not flock: its locks outlive the process in forked workers
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_at(file, path):
            return file
    except (BlockingIOError, PermissionError):  # what POSIX allows for a lock that is held
        pass
    except OSError as error:
        os.close(file)
        raise OutputError(f"cannot lock {path}: {error.strerror}") from error
    os.close(file)
    return None


def is_at(file: int, path: Path) -> bool:
    """Whether the path still names this file, which its last holder may have deleted."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False
