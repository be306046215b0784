"""Ctrl-C, SIGTERM and SIGUSR1 ask a training to save its state and to leave."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_CODE = os.EX_TEMPFAIL  # 75: the same command, run again, continues
CTRL_C = 128 + signal.SIGINT  # its exit code, as shells have it; the same command continues, too
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
received: list[str] = []
held: list[str] = []  # by a process that leaves when others do, at a step that they agree on


class Interrupted(Exception):
    """A signal asked to leave; the message begins with its name."""

    @property
    def exit_code(self) -> int:
        return CTRL_C if str(self).startswith("SIGINT") else EXIT_CODE


@contextmanager
def listening(hold: bool = False) -> Iterator[None]:
    """Note the signals in place of dying by them, in the main thread of a process, or hold them.

    Those that the process was started to ignore are ignored. Of two Ctrl-C the second does not wait
    until the state can be saved: it is a KeyboardInterrupt.
    """

    def note(number: int, frame: object) -> None:
        name = signal.Signals(number).name
        if hold:
            held.append(name)
            return
        if name == "SIGINT" and name in received:
            raise KeyboardInterrupt
        received.append(name)

    heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield
    finally:
        received.clear()
        held.clear()
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
