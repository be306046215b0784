"""What command lines share: errors in one line, numbers that are ones, a device that is there."""

import argparse
import os
import sys
from collections.abc import Callable
from functools import wraps
from math import isfinite
from pathlib import Path
from signal import SIGPIPE

from svp_core.config.pairs import ConfigError
from svp_core.runtime import interruption
from svp_core.runtime.cpus import available_cpus
from svp_core.runtime.printing import forget, say

USER_ERRORS = (ConfigError, OSError)  # of the files of an error of data or checkpoints, too
BROKEN_PIPE = 128 + SIGPIPE  # the exit code, as shells have it


class Parser(argparse.ArgumentParser):
    """Takes settings on either side of its flags; says what is wrong in one line."""

    def error(self, message: str):
        self.exit(2, f"error: {message} ({self.prog} --help)\n")


def command(*errors: type[Exception]) -> Callable:
    """Make a command of a function: errors that the user can mend are told in a line, and end it.

    Return 1 after one of these, of a config or a file, 130 after Ctrl-C, and 141, in silence, when
    nobody reads any longer what it prints.
    """

    def decorate(main: Callable[[list[str] | None], int]) -> Callable[[list[str] | None], int]:
        @wraps(main)
        def guarded(arguments: list[str] | None = None) -> int:
            try:
                code = main(arguments)
                sys.stdout.flush()
                return code
            except BrokenPipeError:
                forget(sys.stdout)
                return BROKEN_PIPE
            except KeyboardInterrupt:
                say("interrupted", file=sys.stderr)
                return interruption.CTRL_C
            except (*errors, *USER_ERRORS) as error:
                say(f"error: {told(error)}", file=sys.stderr)
                return 1

        return guarded

    return decorate


def told(error: Exception) -> str:
    """Return the message of an error; those of the system with their file first."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'output'}: {error.strerror}"
    return str(error)


def integer(at_least: int) -> Callable[[str], int]:
    """Return a type of arguments: whole numbers from a bound on."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if not at_least <= value < 2**31:
            raise argparse.ArgumentTypeError(f"{text} is not from {at_least} to {2**31 - 1}")
        return value

    return read


def number(text: str) -> float:
    """Read an argument that is a finite number above 0."""
    value = not_negative(text)
    if value == 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def not_negative(text: str) -> float:
    """Read an argument that is a finite number, at least 0."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not finite and at least 0")
    return value


def file(text: str) -> Path:
    """Read an argument that names a file."""
    if not Path(text).name:
        raise argparse.ArgumentTypeError(f"{text!r} names no file")
    return Path(text)


def device(text: str):
    """Read an argument that names a torch device which this machine has."""
    import torch

    try:
        found = torch.device(text)
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"{text!r} is no device, such as cpu or cuda:0") from None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found.type not in ("cpu", "cuda"):
        raise argparse.ArgumentTypeError(f"{text}: neither cpu nor cuda")
    if found.type == "cuda" and (found.index or 0) >= count:
        raise argparse.ArgumentTypeError(f"{text}: PyTorch finds {count} GPUs here")
    return found


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--device`."""
    import torch  # some commands need none

    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", type=device, default=default, help=f"here {default}")


def add_threads(parser: argparse.ArgumentParser, meaning: str = "CPU threads") -> None:
    """Add `--threads`."""
    parser.add_argument("--threads", type=integer(1), default=available_cpus(), help=meaning)


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Add `--data-dir`."""
    default = Path(os.environ.get("SVP_DATA_DIR") or "data")
    parser.add_argument("--data-dir", type=Path, default=default, help="SVP_DATA_DIR, or data")
