"""What a CUDA graph does, on a CPU: operators that were recorded are repeated on the same tensors.

Nothing in Python runs again, results go to where they went, and work does not count as done by
being recorded. What makes a CPU wait for a GPU is refused.
"""

from collections.abc import Callable
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
# the last one makes a tensor of numbers in Python, which are sent to a GPU
WAITING = {aten._local_scalar_dense, aten.nonzero, aten._unique2, aten.masked_select}
WAITING |= {aten.is_nonzero, aten.equal, aten.lift_fresh}


class Tape(TorchDispatchMode):
    """Operators with their inputs and results, in turn."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        assert func.overloadpacket not in WAITING, f"{func} waits for the device"
        found = func(*args, **kwargs)
        own = places(found) - places((args, kwargs))  # neither views nor written in place
        # aliases, as a tensor may be given another shape in place
        kept = [(one.detach(), place(one) in own) for one in tensors(found)]
        self.calls.append((func, args, kwargs, kept))
        return found

    def replay(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, found in self.calls:
                pairs = zip(found, tensors(func(*args, **kwargs)), strict=True)
                for (kept, is_own), fresh in pairs:
                    if is_own:
                        kept.copy_(fresh)


def tensors(tree) -> list[Tensor]:
    return [one for one in pytree.tree_leaves(tree) if isinstance(one, Tensor)]


def place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def places(tree) -> set[int]:
    return {place(one) for one in tensors(tree)}


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """As on a GPU, where torch's does not look at the labels."""
    return torch.zeros(len(labels), classes, dtype=torch.int64).scatter_(1, labels[:, None], 1)


def recorder(method) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Return what records work that changes a method."""

    def record(work: Callable[[], None]) -> Callable[[], None]:
        held = tensors([
            list(method.parameters()), list(method.buffers()),
            [dict(one.state) for one in method.optimizers],
        ])  # fmt: skip
        before, draws = [one.detach().clone() for one in held], torch.get_rng_state()
        with patch.object(F, "one_hot", one_hot), Tape() as tape:
            work()
        with torch.no_grad():
            for one, value in zip(held, before, strict=True):
                one.copy_(value)
        torch.set_rng_state(draws)
        return tape.replay

    return record
