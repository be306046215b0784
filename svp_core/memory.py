"""Memory of one training step, split by kind and exact: every live tensor storage is followed.

Works on real and on fake tensors, which have sizes but no contents. Counts tensors, not the
workspaces of kernels nor what an allocator keeps in reserve.
"""

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from svp_core.methods import Method

KINDS = (
    "parameters",
    "buffers",
    "gradients",
    "optimizer",
    "activations_at_peak",
    "data",
    "temporary",
)


def measure_step(method: Method, images: Tensor, labels: Tensor) -> dict[str, int]:
    """Return bytes by kind at the peak of a step, their `total`, and the largest `activations`.

    Two steps are taken, which changes the method; the second one counts, since the first creates
    the optimiser's state.
    """
    method.step(images, labels)
    with StepMemory(method, images, labels) as memory, memory.saved_tensors:
        method.step(images, labels)
    return memory.bytes_by_kind()


def peak_memory(build: Callable[[], Method], images: Tensor, labels: Tensor) -> dict:
    """Return the peak of a step of a method built for this purpose, and who measured it.

    On CUDA the allocator says how much was allocated, elsewhere the live tensors are added up.
    """
    if images.device.type != "cuda":
        peak = measure_step(build(), images, labels)["total"]
        return {"peak_memory_bytes": peak, "peak_memory_source": "tensors"}
    build().step(images, labels)  # libraries take their workspaces, which are not the step's
    before = torch.cuda.memory_allocated() - images.nbytes - labels.nbytes
    method = build()
    method.step(images, labels)
    torch.cuda.reset_peak_memory_stats()
    method.step(images, labels)
    peak = torch.cuda.max_memory_allocated() - before
    return {"peak_memory_bytes": peak, "peak_memory_source": "allocator"}


@dataclass(eq=False)
class Storage:
    """A block of memory under one or more tensors."""

    size: int  # bytes
    kind: str = "temporary"
    saved: int = 0  # how often autograd keeps it for a backward pass


class Saved:
    """What autograd keeps in place of a tensor; its end tells when autograd lets go."""

    def __init__(self, tensor: Tensor, memory: "StepMemory"):
        self.tensor, self.memory = tensor, memory
        self.storage = memory.storage(tensor)
        memory.keep(self.storage)

    def __del__(self):
        self.memory.release(self.storage)


class StepMemory(TorchDispatchMode):
    """Follows storages from creation to release and remembers which were alive at the peak."""

    def __init__(self, method: Method, images: Tensor, labels: Tensor):
        super().__init__()
        self.live: dict[int, tuple[weakref.ref, Storage]] = {}
        self.total = self.peak = self.activations = self.peak_activations = 0
        self.at_peak: list[Storage] = []
        states = [s for optimizer in method.optimizers for s in optimizer.state.values()]
        self.know("parameters", method.parameters())
        self.know("buffers", method.buffers())
        self.know("optimizer", [v for s in states for v in s.values() if isinstance(v, Tensor)])
        self.know("data", (images, labels))
        self.hooks = [
            parameter.register_post_accumulate_grad_hook(self.mark_gradient)
            for parameter in method.parameters()
        ]
        self.saved_tensors = saved_tensors_hooks(
            lambda tensor: Saved(tensor, self), lambda saved: saved.tensor
        )

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in tree_flatten(result)[0]:
            if isinstance(value, Tensor):
                self.storage(value)
        return result

    def __exit__(self, *exception):
        for hook in self.hooks:
            hook.remove()
        return super().__exit__(*exception)

    def know(self, kind: str, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            self.storage(tensor).kind = kind

    def storage(self, tensor: Tensor) -> Storage:
        """Return what is known of the storage under a tensor, from now on followed."""
        untyped = tensor.untyped_storage()
        key = untyped._cdata
        if key not in self.live:
            storage = Storage(untyped.nbytes())
            self.live[key] = (weakref.ref(untyped, lambda _: self.free(key)), storage)
            self.total += storage.size
            if self.total > self.peak:
                self.peak, self.at_peak = self.total, [s for _, s in self.live.values()]
        return self.live[key][1]

    def free(self, key: int) -> None:
        _, storage = self.live.pop(key)
        self.total -= storage.size

    def keep(self, storage: Storage) -> None:
        # a parameter or image that autograd keeps is no activation: it is alive anyway
        if storage.kind == "temporary":
            storage.kind = "activations_at_peak"
        if storage.kind == "activations_at_peak" and storage.saved == 0:
            self.activations += storage.size
            self.peak_activations = max(self.peak_activations, self.activations)
        storage.saved += 1

    def release(self, storage: Storage) -> None:
        storage.saved -= 1
        if storage.kind == "activations_at_peak" and storage.saved == 0:
            self.activations -= storage.size

    def mark_gradient(self, parameter: Tensor) -> None:
        # after the fact: at the peak a gradient may not have reached its parameter yet
        self.storage(parameter.grad).kind = "gradients"

    def bytes_by_kind(self) -> dict[str, int]:
        """Return the sizes of KINDS at the peak, their sum `total`, and `activations`."""
        sizes = {kind: 0 for kind in KINDS}
        for storage in self.at_peak:
            sizes[storage.kind] += storage.size
        return sizes | {"total": self.peak, "activations": self.peak_activations}
