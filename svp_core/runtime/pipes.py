"""Output that is piped into a command that leaves early, such as `head`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def until_closed() -> Iterator[None]:
    """End a command in silence, with exit code 1, when nobody reads on; also a decorator."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # or Python would try to write the rest when it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
