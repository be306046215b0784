"""Training steps as CUDA graphs: a GPU is given all kernels of a step by one call.

A step is recorded once, on the tensors of its first batch, and replayed on those of all others. Of
a method that does not do everything in every step, each step of a cycle is a graph of its own.
Numbers are those of single calls but that the learning rate, which a graph reads, is a float32.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from svp_core.config.pairs import ConfigError
from svp_core.methods import Method

WARM_UP = 3  # steps as usual, in which optimisers and libraries make what they keep
MOST = 64  # graphs of a cycle

Take = Callable[[Tensor, Tensor], None]  # a step on a batch (B, C, H, W), (B,)
Record = Callable[[Callable[[], None]], Callable[[], None]]  # from work to what repeats it


def stepper(method: Method) -> Take:
    """Return what takes the steps of a method: its own `step`, or graphs where it asks for them.

    On a CPU there are none. Raises ConfigError for intervals whose cycle is too long.
    """
    device = next(method.parameters()).device
    if not method.recipe.cuda_graphs or device.type != "cuda":
        return method.step
    return Graphs(method, on_cuda(device))


def on_cuda(device: torch.device) -> Record:
    """Return what records work as a CUDA graph; all of them share their memory."""
    pool = torch.cuda.graph_pool_handle()

    def record(work: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        # other threads may pin the memory of batches meanwhile
        recording = torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local")
        try:
            with torch.cuda.device(device), recording:
                work()
        except RuntimeError as error:
            raise ConfigError(f"recipe.cuda_graphs: no step was recorded: {error}") from error
        return graph.replay

    return record


class Graph(NamedTuple):
    """A recorded step: what repeats it, what it came to, and how far counters go by it."""

    replay: Callable[[], None]
    sums: dict[str, Tensor]
    counts: list[int]


class Graphs:
    """The steps of a method on batches of one size, recorded as they come up."""

    def __init__(self, method: Method, record: Record):
        self.method, self.record, self.taken = method, record, 0
        self.cycle = math.lcm(*method.rhythm())
        if self.cycle > MOST:
            raise ConfigError(
                f"recipe.cuda_graphs: the intervals of method_options repeat every {self.cycle}"
                f" steps, each a graph of its own; {MOST} at most"
            )
        # parts that count what they have seen, which a graph does not, and those that act by it
        self.counters = [one for one in method.modules() if type(getattr(one, "seen", None)) is int]
        self.rhythmic = [one for one in self.counters if hasattr(one, "count_from")]
        self.rates = Rates(method)
        self.batch: list[Tensor] = []
        self.graphs: dict[int, Graph] = {}

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        place = self.place()
        self.rates.renew()
        if place is None:
            self.taken += 1
            # as in a graph: a run that goes on from here begins with single calls
            with self.rates.as_tensors():
                return self.method.step(images, labels)
        self.hold(images, labels)
        if place not in self.graphs:
            self.graphs[place] = self.recorded()
        graph = self.graphs[place]
        graph.replay()
        for counter, count in zip(self.counters, graph.counts, strict=True):
            counter.seen += count
        for name, value in graph.sums.items():
            self.method.add(name, value.clone())  # the next replay writes to it

    def place(self) -> int | None:
        """Return the place of the step that comes next in the cycle; None before there is one."""
        parts = self.method.micro_batches
        steps = [(one.seen // parts, one.first) for one in self.rhythmic]
        if self.taken < WARM_UP or any(step < first for step, first in steps):
            return None
        return steps[0][0] % self.cycle if steps else 0

    def hold(self, *batch: Tensor) -> None:
        """Bring a batch to where graphs read it."""
        if not self.batch:
            self.batch = [one.clone() for one in batch]
        for own, given in zip(self.batch, batch, strict=True):
            own.copy_(given)

    def recorded(self) -> Graph:
        """Record the step that comes next, which does not take it."""
        method, before = self.method, [one.seen for one in self.counters]
        sums, method.sums = method.sums, {}
        try:
            with self.rates.as_tensors(capturable=True):
                replay = self.record(lambda: method.step(*self.batch))
            found = method.sums
            counts = [one.seen - seen for one, seen in zip(self.counters, before, strict=True)]
        finally:
            method.sums = sums
            for counter, seen in zip(self.counters, before, strict=True):
                counter.seen = seen
        return Graph(replay, found, counts)


class Rates:
    """The learning rates of a method's optimisers, a tensor (groups,) on its device."""

    def __init__(self, method: Method):
        self.groups = [group for one in method.optimizers for group in one.param_groups]
        device = next(method.parameters()).device
        self.values = torch.zeros(len(self.groups), device=device)
        self.known: list[float] = []

    def renew(self) -> None:
        """Take over those of the groups."""
        rates = [group["lr"] for group in self.groups]
        if rates == self.known:
            return
        self.known = rates
        if len(set(rates)) == 1:
            self.values.fill_(rates[0])  # a number is sent with the call, without waiting
        else:
            self.values.copy_(torch.tensor(rates))

    @contextmanager
    def as_tensors(self, **more: bool) -> Iterator[None]:
        """Let optimisers read the tensor meanwhile, with these other settings."""
        before = [dict(group) for group in self.groups]
        for group, rate in zip(self.groups, self.values.unbind(), strict=True):
            group.update(lr=rate, **more)
        try:
            yield
        finally:
            for group, known in zip(self.groups, before, strict=True):
                group.clear()
                group.update(known)
