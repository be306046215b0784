"""SIGTERM and SIGUSR1 ask a training to save its state and to leave."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_CODE = os.EX_TEMPFAIL  # 75: the same command, run again, continues
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
received: list[str] = []


class Interrupted(Exception):
    """A signal asked to leave; the message names it."""


@contextmanager
def listening() -> Iterator[None]:
    """Note the signals in place of dying by them, in the main thread of a process."""

    def note(number: int, frame: object) -> None:
        received.append(signal.Signals(number).name)

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield
    finally:
        received.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


def check() -> None:
    """Raise Interrupted if a signal has come."""
    if received:
        raise Interrupted(received[0])


def ignore(*_: object) -> None:
    """Leave it to the parent process to end this one, as a worker does."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
