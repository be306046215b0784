"""What one rank sends to the next: trees of tensors of one form, step after step, and objects."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten

AHEAD = 2  # messages on their way, or waiting to be taken; a faster rank then waits


class LostRank(ConnectionError):
    """A process of the pipeline that cannot be reached any more; the message says which."""


@contextmanager
def reaching(peer: str) -> Iterator[None]:
    """Name who is gone where a message fails."""
    try:
        yield
    except (RuntimeError, ConnectionError) as error:  # as torch tells broken connections
        raise LostRank(f"{peer} has gone; the same command continues") from error


class Form(NamedTuple):
    """Sizes of a tensor, so that memory for it is there before it comes."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]  # kept: kernels, and the last bits of what they compute, follow it
    dtype: torch.dtype
    is_on_cpu: bool

    @classmethod
    def of(cls, tensor: Tensor) -> "Form":
        stride, is_on_cpu = tensor.stride(), tensor.device.type == "cpu"
        return cls(tuple(tensor.shape), stride, tensor.dtype, is_on_cpu)


class Sender:
    """Sends trees of tensors, of the form of the first, and does not wait until they are taken."""

    def __init__(self, peer: int):
        self.peer, self.name, self.is_known = peer, f"rank {peer}", False
        self.flying: deque[list[tuple[dist.Work, Tensor]]] = deque()
        self.bytes = 0

    def send(self, tree: Any) -> None:
        leaves, spec = tree_flatten(tree)
        tensors = [dense(one) for one in leaves if one is not None]
        with reaching(self.name):
            if not self.is_known:
                forms = [None if one is None else Form.of(dense(one)) for one in leaves]
                dist.send_object_list([spec, forms], self.peer)
                self.is_known = True
            flats = enumerate(flat(one) for one in tensors)
            self.flying.append([(dist.isend(one, self.peer, tag=tag), one) for tag, one in flats])
            self.bytes += sum(one.nbytes for one in tensors)
            self.wait(AHEAD)

    def wait(self, left: int = 0) -> None:
        """Wait until all messages but so many are taken."""
        with reaching(self.name):
            while len(self.flying) > left:
                for work, _ in self.flying.popleft():
                    work.wait()

    def send_object(self, tree: Any) -> None:
        """Send tensors of any form, and wait."""
        here = tree_map_only(Tensor, lambda one: one.cpu(), tree)
        with reaching(self.name):
            dist.send_object_list([here], self.peer)


class Receiver:
    """Takes what a Sender sends; what is posted comes while the rank works."""

    def __init__(self, peer: int, device: torch.device):
        self.peer, self.name, self.device = peer, f"rank {peer}", device
        self.spec, self.forms = None, None

    def post(self) -> list[tuple[dist.Work, Tensor] | None]:
        """Make room for the next message; return what `take` waits for."""
        with reaching(self.name):
            if self.forms is None:
                known = [None, None]
                dist.recv_object_list(known, self.peer)
                self.spec, self.forms = known
            rooms = [None if form is None else self.room(form) for form in self.forms]
            tags = iter(range(len(rooms)))
            return [
                one if one is None else (dist.irecv(flat(one), self.peer, tag=next(tags)), one)
                for one in rooms
            ]

    def room(self, form: Form) -> Tensor:
        device = "cpu" if form.is_on_cpu else self.device
        return torch.empty_strided(form.shape, form.stride, dtype=form.dtype, device=device)

    def take(self, posted: list[tuple[dist.Work, Tensor] | None]) -> Any:
        """Return the tree of a posted message, once it is there."""
        with reaching(self.name):
            for work, _ in filter(None, posted):
                work.wait()
        return tree_unflatten([None if one is None else one[1] for one in posted], self.spec)

    def take_object(self) -> Any:
        """Return tensors of any form, on the device of this rank."""
        found = [None]
        with reaching(self.name):
            dist.recv_object_list(found, self.peer)
        return tree_map_only(Tensor, lambda one: one.to(self.device), found[0])


def dense(tensor: Tensor) -> Tensor:
    """Return a tensor without gaps in its memory, in whatever order of its dimensions."""
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    extent = 1 + sum((size - 1) * stride for size, stride in steps)
    return tensor if extent == tensor.numel() else tensor.contiguous()


def flat(tensor: Tensor) -> Tensor:
    """Return the memory of a dense tensor as a vector, no copy."""
    return tensor.as_strided((tensor.numel(),), (1,))
