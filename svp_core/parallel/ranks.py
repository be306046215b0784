"""The processes of a pipeline: how one joins the others, asks them, and tells that one is lost."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from svp_core.config.pairs import ConfigError
from svp_core.parallel.link import reaching
from svp_core.runtime import interruption

# a rank that dies is noticed at once; one that only waits, as for a lock, may take its time
PATIENCE = timedelta(days=1)


class Ranks:
    """All processes, as one of them sees them; the last one holds the last units and writes."""

    def __init__(self, own: int, count: int):
        self.own, self.count = own, count
        self.is_first, self.is_last = own == 0, own == count - 1

    def all(self, value: Any) -> list:
        """Return the value of every rank, to all."""
        if self.count == 1:
            return [value]
        found = [None] * self.count
        with reaching("another rank"):
            dist.all_gather_object(found, value)
        return found

    def from_rank(self, rank: int, value: Any) -> Any:
        """Return the value of one rank, to all."""
        found = [value]
        with reaching("another rank"):
            dist.broadcast_object_list(found, rank % self.count)
        return found[0]

    def gather(self, value: Any) -> list | None:
        """Return the value of every rank, to the last."""
        found = [None] * self.count if self.is_last else None
        with reaching("another rank"):
            dist.gather_object(value, found, self.count - 1)
        return found

    def scatter(self, values: list | None) -> Any:
        """Return to every rank its own of the values that the last one has."""
        found = [None]
        with reaching("another rank"):
            dist.scatter_object_list(found, values, self.count - 1)
        return found[0]


def local_count() -> int:
    """Return how many ranks share this machine; raises ConfigError where this process is none."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        raise ConfigError(
            "--parallel pipeline: this process is no rank; --ranks N starts them, or torchrun"
        )
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def local_device(device: torch.device) -> torch.device:
    """Return the device of this rank: a GPU of its own, in the order of the ranks of a machine."""
    if device.type != "cuda" or device.index is not None:
        return device
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """Join the other processes, by gloo between CPUs and NCCL between GPUs.

    The last rank alone is heard. Of an error that several ranks see, or of one that follows from
    that of another, the first to see it tells; the others end in silence.
    """
    store, own, count = next(rendezvous("env://"))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    with reaching("another rank"):
        dist.init_process_group(backend, store=store, rank=own, world_size=count, timeout=PATIENCE)
    if own < count - 1:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, as long as the process lives
    try:
        yield Ranks(own, count)
        dist.destroy_process_group()
    except interruption.Interrupted as signal:
        if own < count - 1:
            raise SystemExit(signal.exit_code) from None
        raise
    except Exception as error:
        if not is_first_to_tell(store):
            raise SystemExit(1) from error
        raise


def is_first_to_tell(store: dist.Store) -> bool:
    """Whether no other rank has told of an error."""
    with suppress(RuntimeError):  # the store may have died with its process
        return store.add("errors", 1) == 1
    return True
