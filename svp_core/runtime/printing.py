"""Lines for the user that stop no work when nobody can read them."""

import os
import sys
from typing import TextIO


def say(*words: object, file: TextIO | None = None) -> None:
    """Print a line at once; a reader that has gone, as of `| head`, or a full log is left alone."""
    stream = file or sys.stdout
    try:
        print(*words, file=stream, flush=True)
    except OSError:
        forget(stream)


def forget(stream: TextIO) -> None:
    """Let a stream end nowhere, or what is buffered would fail again at the exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
