"""Ways to train on several processes: local units, and BP as PyTorch itself does it."""

from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.distributed import pipelining
from torch.nn.parallel import DistributedDataParallel

from svp_core.methods import Method, update
from svp_core.methods.bp import BP
from svp_core.methods.svp import SVP
from svp_core.parallel.arriving import Arriving
from svp_core.parallel.link import Receiver, Sender
from svp_core.parallel.ranks import Ranks
from svp_core.parallel.stage import Stage

SCHEDULES = {"gpipe": pipelining.ScheduleGPipe, "1f1b": pipelining.Schedule1F1B}


class Way(Protocol):
    """Takes training steps of one batch, whose labels move on, all ranks together."""

    def steps(self, number: int) -> None: ...


def moving(images: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield a batch for ever, its labels moved on by one image a step: it is not learned by heart.

    As svp_core.cost.measure.interleave does, and for its reason.
    """
    return ((images, labels.roll(turn)) for turn in count())


class Alone:
    """One process has the whole network; the others wait."""

    def __init__(self, method: Method, ranks: Ranks, images: Tensor, labels: Tensor):
        self.method, self.ranks, self.batches = method.train(), ranks, moving(images, labels)

    def steps(self, number: int) -> None:
        for batch in islice(self.batches, number if self.ranks.is_first else 0):
            self.method.step(*batch)


class LocalUnits:
    """The pipeline of svp_core.train."""

    def __init__(self, whole: SVP, span: range, ranks: Ranks, images: Tensor, labels: Tensor):
        self.sender = None if ranks.is_last else Sender(ranks.own + 1)
        self.stage = Stage(whole, span, ranks, self.sender).train()
        self.batches, self.size, self.receiver = moving(images, labels), len(images), None
        if not ranks.is_first:
            self.receiver = Receiver(ranks.own - 1, images.device)

    def steps(self, number: int) -> None:
        batches = islice(self.batches, number)
        if self.receiver:
            batches = Arriving(number * self.size, self.receiver).shuffled(self.size, 0, 0)
        for batch in batches:
            self.stage.step(*batch)
        if self.sender:
            self.sender.wait()

    @property
    def sent(self) -> int:
        """Return the bytes that this rank has sent so far."""
        return self.sender.bytes if self.sender else 0


class Scheduled:
    """BP in micro-batches by torch.distributed.pipelining."""

    def __init__(self, name: str, whole: BP, span: range, ranks: Ranks, parts: int, *batch: Tensor):
        module = blocks_of(whole, span, ranks.is_last)
        stage = pipelining.PipelineStage(module, ranks.own, ranks.count, batch[0].device)
        self.schedule = SCHEDULES[name](
            stage,
            parts,
            loss_fn=lambda *pair: whole.loss(*pair) / parts,
            scale_grads=False,  # a pass over all gradients, which the loss does for nothing
        )
        self.optimizer = whole.optimizer(list(module.parameters()))
        self.ranks, self.batches = ranks, moving(*batch)

    def steps(self, number: int) -> None:
        for images, labels in islice(self.batches, number):
            given = (images,) if self.ranks.is_first else ()
            target = {"target": labels, "losses": []} if self.ranks.is_last else {}
            self.schedule.step(*given, **target)
            update(self.optimizer)


class DataParallel:
    """BP by DistributedDataParallel: every process has all blocks and a part of the batch."""

    def __init__(self, whole: BP, ranks: Ranks, images: Tensor, labels: Tensor):
        module = blocks_of(whole, range(len(whole.blocks)), is_last=True)
        # gradients live in the buckets that are sent: no copies
        self.module = DistributedDataParallel(module, gradient_as_bucket_view=True)
        self.loss = whole.loss
        self.optimizer = whole.optimizer(list(module.parameters()))
        self.ranks, self.batches = ranks, moving(images, labels)

    def steps(self, number: int) -> None:
        for batch in islice(self.batches, number):
            images, labels = (one.chunk(self.ranks.count)[self.ranks.own] for one in batch)
            self.loss(self.module(images), labels).backward()
            update(self.optimizer)


def blocks_of(whole: BP, span: range, is_last: bool) -> nn.Sequential:
    """Return consecutive blocks, the head with the last of them."""
    blocks = [whole.blocks[index] for index in span]
    return nn.Sequential(*blocks, Reduced(whole) if is_last else Packed())


class Packed(nn.Module):
    """Leaves no gaps in an activation, as messages of pipelining must have none."""

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden.contiguous()


class Reduced(nn.Module):
    """What follows the blocks: phi and the head."""

    def __init__(self, whole: BP):
        super().__init__()
        self.see, self.head = whole.see, whole.head

    def forward(self, hidden: Tensor) -> Tensor:
        return self.head(self.see(hidden))


class Ordered(Method):
    """What a rank of BP computes in a step, in its order, without messages: for its memory."""

    def __init__(self, whole: BP, span: range, is_last: bool, order: Sequence[tuple[str, int]]):
        super().__init__(whole.recipe)
        self.module, self.is_last, self.order = blocks_of(whole, span, is_last), is_last, order
        self.is_first = span.start == 0
        self.optimizers = [whole.optimizer(list(self.module.parameters()))]

    def step(self, images: Tensor, labels: Tensor) -> None:
        count = 1 + max(part for _, part in self.order)
        inputs, known = images.chunk(count), labels.chunk(count)
        alive: dict[int, tuple[Tensor, Tensor]] = {}
        for kind, part in self.order:
            if kind == "forward":
                taken = inputs[part].clone().requires_grad_(not self.is_first)
                out = self.module(taken)
                alive[part] = taken, self.loss(out, known[part]) if self.is_last else out
            else:
                _, out = alive.pop(part)
                out.backward(None if self.is_last else torch.ones_like(out))
        update(self.optimizers[0])
        self.add("unit_loss", torch.zeros(1))
