"""What a simulation is fed with: seconds of units and blocks, of updates, and of messages.

All ranks measure at the same time: processes that work beside each other slow each other down.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from svp_core.methods import update
from svp_core.methods.bp import BP
from svp_core.parallel.ranks import Ranks
from svp_core.parallel.ways import Reduced

ROUNDS = 15  # of units
STEPS = 8  # of the network
MESSAGES = 50
SIZES = (2**10, 2**15, 2**18, 2**20)  # bytes of an activation
HOPS = (2**16, 2**20, 2**22, 2**23)  # of a part of all gradients


def block_seconds(whole: BP, images: Tensor, labels: Tensor, parts: int) -> dict:
    """Return `forward`, `backward`, `update`: median seconds of every block, of a micro-batch.

    Of steps of GPipe in one process, so that weights have left the caches as they do in a pipeline;
    labels move on by one image a step, as those of its ways do.
    """
    blocks = [*whole.blocks[:-1], nn.Sequential(whole.blocks[-1], Reduced(whole))]
    optimizers = [whole.optimizer(list(block.parameters())) for block in blocks]
    found = {kind: [[] for _ in blocks] for kind in ("forward", "backward", "update")}
    for turn in range(STEPS):
        graphs, moved = [], labels.roll(turn)
        for part, known in zip(images.chunk(parts), moved.chunk(parts), strict=True):
            graphs.append(passed(whole, blocks, part, known, found["forward"]))
        for graph in graphs:
            returned(graph, found["backward"])
        for index, optimizer in enumerate(optimizers):
            with lap(found["update"][index]):
                update(optimizer)
    kinds = {kind: [median(one) for one in lists] for kind, lists in found.items()}
    return {"images": len(images), "micro_batches": parts} | kinds


def passed(whole: BP, blocks: list[nn.Module], hidden: Tensor, labels: Tensor, seconds) -> list:
    """Return the input and output of every block, the loss as the last output."""
    graph = []
    for index, block in enumerate(blocks):
        taken = hidden.detach().requires_grad_(index > 0)
        with lap(seconds[index]):
            hidden = block(taken)
            if index == len(blocks) - 1:
                hidden = whole.loss(hidden, labels)
        graph.append((taken, hidden))
    return graph


def returned(graph: list, seconds) -> None:
    """Pass gradients back through all blocks."""
    gradient = None
    for index, (taken, out) in reversed(list(enumerate(graph))):
        with lap(seconds[index]):
            out.backward(gradient)
        gradient = taken.grad


@contextmanager
def lap(seconds: list[float]) -> Iterator[None]:
    """Add the seconds that something takes."""
    started = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - started)


def message_lines(ranks: Ranks) -> dict[str, dict[str, float]]:
    """Return `way` and `work` of a message from the first rank to the second, fixed and a rate.

    Half of a round trip, and of it the time of the process at one end.
    """
    ways, works = [], []
    for size in SIZES:
        room = torch.zeros(size, dtype=torch.uint8)
        wall, work = timed(lambda room=room: round_trip(ranks, room), MESSAGES)
        ways.append(wall / 2)
        works.append(work / 2)
    return {"way": line(SIZES, ways), "work": line(SIZES, works)}


def round_trip(ranks: Ranks, room: Tensor) -> None:
    """Send a tensor to the other of the first two ranks, and take it back."""
    if ranks.own > 1:
        return
    for sender in (0, 1):
        act = dist.isend if ranks.own == sender else dist.irecv
        for work in dist.batch_isend_irecv([dist.P2POp(act, room, 1 - ranks.own)]):
            work.wait()


def hop_line(ranks: Ranks) -> dict[str, float]:
    """Return what one of the 2 (p - 1) messages of an all-reduce takes, by its size."""
    hops, seconds = 2 * (ranks.count - 1), []
    for size in HOPS:
        rooms = torch.zeros(2, size * ranks.count // 4)
        seconds.append(timed(lambda rooms=rooms: reduce(*rooms, ranks.count), STEPS)[0] / hops)
    return line(HOPS, seconds)


def reduce(bucket: Tensor, gradients: Tensor, count: int) -> None:
    """Do what DDP does with gradients: copy them into a bucket, divide, add up over the ranks."""
    dist.all_reduce(bucket.copy_(gradients).div_(count))


def timed(act: Callable[[], object], count: int) -> tuple[float, float]:
    """Return the seconds of an action of several ranks, and those of this process's CPU time."""
    act()
    dist.barrier()
    walls, started = [], time.process_time()
    for _ in range(count):
        begun = time.perf_counter()
        act()
        walls.append(time.perf_counter() - begun)
    return median(walls), (time.process_time() - started) / count


def line(lengths: tuple[int, ...], seconds: list[float]) -> dict[str, float]:
    """Return the line through the seconds of messages, of least relative squares."""
    slope, fixed = np.polyfit(lengths, seconds, 1, w=1 / np.array(seconds))
    return {"fixed": max(float(fixed), 0.0), "rate": 1 / max(float(slope), 1e-15)}


@torch.no_grad()
def sizes(whole: BP, images: Tensor) -> dict[str, int | list[int]]:
    """Return the bytes of the activations of a batch, a value a block, and of all parameters."""
    hidden, found = images, []
    for block in whole.blocks:
        hidden = block(hidden)
        found.append(hidden.nbytes)
    parameters = sum(one.nbytes for one in whole.parameters())
    return {"activation_bytes": found, "parameter_bytes": parameters}
