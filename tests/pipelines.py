"""Ranks of a pipeline as forks of the tests' process, which has everything imported already."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from torch import distributed as dist

from svp_core.train import main

SECONDS = 300  # that a test waits for ranks, and they for each other, on a busy machine


@contextmanager
def ranks(folder: Path, command: list[str], count: int, prepare: Callable[[int], object] = int):
    """Start them; yield the processes. What they print is in folder/rank_N.txt."""
    # the port is the system's choice, and taken as long as the ranks live
    store = dist.TCPStore("localhost", 0, is_master=True, timeout=timedelta(seconds=SECONDS))
    fork = multiprocessing.get_context("fork")
    found = [
        fork.Process(target=one, args=(folder, command, rank, count, store.port, prepare))
        for rank in range(count)
    ]
    for process in found:
        process.start()
    try:
        yield found
        for process in found:
            process.join(SECONDS)
    finally:
        for process in found:
            process.kill()
            process.join()


def one(folder: Path, command: list[str], rank: int, count: int, port: int, prepare) -> None:
    """Be a rank."""
    file = os.open(folder / f"rank_{rank}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(file), "w") for _ in range(2))
    given = {"RANK": rank, "WORLD_SIZE": count, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": count}
    given |= {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": True}
    os.environ.update({name: str(value) for name, value in given.items()})
    prepare(rank)
    try:
        code = main([*command, "--parallel", "pipeline"])
    except SystemExit as error:
        code = error.code
    sys.stderr.flush()
    os._exit(code)


def printed(folder: Path, count: int) -> str:
    """All that the ranks have printed."""
    return "".join((folder / f"rank_{rank}.txt").read_text() for rank in range(count))
