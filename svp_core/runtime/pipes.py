"""Output that is piped into a command that leaves early, such as `head`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from svp_core.runtime.printing import forget


@contextmanager
def until_closed() -> Iterator[None]:
    """End a command in silence, with exit code 1, when nobody reads on; also a decorator."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        forget(sys.stdout)
        sys.exit(1)
