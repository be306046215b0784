"""Memory of one training step, split by kind and exact: every live tensor storage is followed.

Works on real and on fake tensors, which have sizes but no contents. Counts tensors, not the
workspaces of kernels nor what an allocator keeps in reserve.
"""

import gc
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, optim
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from svp_core.methods import Method
from svp_core.runtime import activation_checkpointing, keeping

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
    return follow_step(method, images, labels)


def follow_step(method: Method, images: Tensor, labels: Tensor) -> dict[str, int]:
    """Return the same of one step of a method whose optimisers have their state."""
    method.drain()  # the losses of an earlier step are no part of this one
    with StepMemory(method, images, labels) as memory, memory.saved_tensors:
        with keeping.followed(lambda tensor: Saved(tensor, memory)):
            method.step(images, labels)
    return memory.bytes_by_kind()


def peak_memory(
    assemble: Callable[[], Method],
    place: Callable[[Method], Method],
    images: Tensor,
    labels: Tensor,
) -> dict:
    """Return the peak of a step of a method built and placed for this purpose, and who measured it.

    On CUDA the allocator says how much was allocated, elsewhere the live tensors are added up.
    What tensors take, and saved activations alone, is told for every device: there it is simulated.
    """
    is_cuda = images.device.type == "cuda"
    if is_cuda:
        peak = allocator_peaks(lambda: place(assemble()), images, labels)["allocated"]
        sizes = simulate(assemble, images, labels)
    else:
        sizes = measure_step(place(assemble()), images, labels)
        peak = sizes["total"]
    return {
        "peak_memory_bytes": peak,
        "peak_memory_source": "allocator" if is_cuda else "tensors",
        "tensor_bytes": sizes["total"],
        "activation_bytes": sizes["activations"],
    }


def simulate(assemble: Callable[[], Method], images: Tensor, labels: Tensor) -> dict[str, int]:
    """Return what `measure_step` does, of tensors on the CPU that have sizes but no contents."""
    with FakeTensorMode():
        batch = [torch.empty(one.shape, dtype=one.dtype) for one in (images, labels)]
        return measure_step(assemble(), *batch)


def allocator_peaks(build: Callable[[], Method], images: Tensor, labels: Tensor) -> dict[str, int]:
    """Return what the CUDA allocator had `allocated` and `reserved` at the peak of a step, bytes.

    What was allocated before for others than the batch is not counted; reserved is all there is.
    """
    device, batch = images.device, images.nbytes + labels.nbytes
    build().step(images, labels)  # libraries take their workspaces, which are not the step's
    gc.collect()  # a method whose hooks know its optimisers is a cycle
    torch.cuda.empty_cache()
    held = torch.cuda.memory_allocated(device)
    method = build()
    method.step(images, labels)
    method.drain()
    torch.cuda.reset_peak_memory_stats(device)
    method.step(images, labels)
    allocated = torch.cuda.max_memory_allocated(device) - held + batch
    reserved = torch.cuda.max_memory_reserved(device)  # segments may be shared with what was held
    del method
    gc.collect()
    return {"allocated": allocated, "reserved": reserved}


@dataclass(eq=False)
class Storage:
    """A block of memory under one or more tensors."""

    size: int  # bytes
    kind: str = "temporary"
    saved: int = 0  # how often autograd keeps it for a backward pass
    is_recomputed: bool = False  # by activation checkpointing, which keeps it past autograd's hooks


class Saved:
    """What is kept in place of a tensor, or beside it; its end tells when it is let go."""

    def __init__(self, tensor: Tensor, memory: "StepMemory"):
        # one that knew the node that saves it, as an output does, would never be let go
        self.tensor, self.memory = tensor.detach(), memory
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
        self.recomputed: set[int] = set()  # keys of what a second pass has made so far
        states = [s for optimizer in method.optimizers for s in optimizer.state.values()]
        self.know("parameters", method.parameters())
        self.know("buffers", method.buffers())
        self.know("optimizer", [v for s in states for v in s.values() if isinstance(v, Tensor)])
        self.know("data", (images, labels))
        self.hooks = [o.register_step_pre_hook(self.mark_gradients) for o in method.optimizers]
        self.saved_tensors = saved_tensors_hooks(
            lambda tensor: Saved(tensor, self), lambda saved: saved.tensor
        )

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in tree_flatten(result)[0]:
            if isinstance(value, Tensor):
                self.storage(value)
        if self.recomputed and not activation_checkpointing.recomputing:
            self.keep_recomputed()
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
            if activation_checkpointing.recomputing:
                self.recomputed.add(key)
            self.total += storage.size
            if self.total > self.peak:
                self.peak, self.at_peak = self.total, [s for _, s in self.live.values()]
        return self.live[key][1]

    def free(self, key: int) -> None:
        _, storage = self.live.pop(key)
        self.recomputed.discard(key)
        self.total -= storage.size
        if storage.is_recomputed:
            self.release(storage)

    def keep(self, storage: Storage) -> None:
        # a parameter or image that autograd keeps is no activation: it is alive anyway
        if storage.kind == "temporary":
            storage.kind = "activations_at_peak"
        if storage.kind == "activations_at_peak" and storage.saved == 0:
            self.activations += storage.size
            self.peak_activations = max(self.peak_activations, self.activations)
        storage.saved += 1

    def keep_recomputed(self) -> None:
        """Count what is left of a second pass as saved, until it is freed."""
        for _, storage in (self.live[key] for key in self.recomputed):
            storage.is_recomputed = True
            self.keep(storage)
        self.recomputed.clear()

    def release(self, storage: Storage) -> None:
        storage.saved -= 1
        if storage.kind == "activations_at_peak" and storage.saved == 0:
            self.activations -= storage.size

    def mark_gradients(self, optimizer: optim.Optimizer, *_) -> None:
        # after the fact: at the peak a gradient may not have reached its parameter yet
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.know("gradients", [p.grad for p in parameters if p.grad is not None])

    def bytes_by_kind(self) -> dict[str, int]:
        """Return the sizes of KINDS at the peak, their sum `total`, and `activations`."""
        sizes = {kind: 0 for kind in KINDS}
        for storage in self.at_peak:
            sizes[storage.kind] += storage.size
        return sizes | {"total": self.peak, "activations": self.peak_activations}
