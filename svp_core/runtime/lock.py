"""One writer a run: a second one waits until the first has ended, however that ends."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from svp_core.runtime import interruption
from svp_core.runtime.files import OutputError

SECONDS_BETWEEN_TRIES = 1


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, which stays there, empty; raises OutputError and Interrupted.

    Were it deleted, one process could lock the old file and another a new one. The kernel frees the
    lock of a process that dies; of a node that dies, NFS 4 after a minute or two, NFS 3 not before
    the node is back.
    """
    file = acquire(path)
    try:
        yield
    finally:
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
        return file
    except (BlockingIOError, PermissionError):  # what POSIX allows for a lock that is held
        os.close(file)
        return None
    except OSError as error:
        os.close(file)
        raise OutputError(
            f"cannot lock {path}: {error.strerror}; checkpoints need a file system with locks"
        ) from error
