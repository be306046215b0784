"""What a simulation is fed with: seconds of units and blocks, of updates, and of messages.

All ranks measure at the same time, since processes that work beside each other slow each other down.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from svp_core.methods.bp import BP
from svp_core.parallel.ranks import Ranks
from svp_core.parallel.ways import Reduced

ROUNDS = 15
MESSAGES = 50
SIZES = (2**10, 2**15, 2**18, 2**20)  # bytes of an activation
HOPS = (2**16, 2**20, 2**22, 2**23)  # of a part of all gradients


def block_seconds(whole: BP, images: Tensor, labels: Tensor) -> dict[str, list[float]]:
    """Return the median seconds of every block, the head with the last: `forward`, `backward`.

    `adding` is a backward pass that adds to the gradients of micro-batches before.
    """
    blocks = [*whole.blocks[:-1], nn.Sequential(whole.blocks[-1], Reduced(whole))]
    found = {kind: [[] for _ in blocks] for kind in ("forward", "backward", "adding")}
    for turn in range(ROUNDS + 1):  # the first one is a warm-up
        hidden = images
        for index, block in enumerate(blocks):
            is_last = index == len(blocks) - 1
            for kind in ("backward", "adding"):
                taken = hidden.detach().requires_grad_(index > 0)
                started = time.perf_counter()
                out = block(taken)
                out = whole.loss(out, labels) if is_last else out
                between = time.perf_counter()
                out.backward(None if is_last else torch.ones_like(out))
                if turn:
                    found["forward"][index].append(between - started)
                    found[kind][index].append(time.perf_counter() - between)
            for parameter in block.parameters():
                parameter.grad = None
            hidden = out
    return {kind: [median(one) for one in lists] for kind, lists in found.items()}


def update_seconds(whole: BP) -> list[float]:
    """Return the median seconds of an optimiser's step for every block, the head with the last."""
    blocks = [*whole.blocks[:-1], nn.ModuleList([whole.blocks[-1], Reduced(whole)])]
    found = []
    for block in blocks:
        parameters = list(block.parameters())
        optimizer, seconds = whole.optimizer(parameters), []
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        for _ in range(ROUNDS):
            started = time.perf_counter()
            optimizer.step()
            seconds.append(time.perf_counter() - started)
        for parameter in parameters:
            parameter.grad = None
        found.append(median(seconds))
    return found


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
        (dist.send if ranks.own == sender else dist.recv)(room, 1 - ranks.own)


def hop_line(ranks: Ranks) -> dict[str, float]:
    """Return what one of the 2 (p - 1) messages of an all-reduce takes, by its size."""
    hops, seconds = 2 * (ranks.count - 1), []
    for size in HOPS:
        room = torch.zeros(size * ranks.count // 4)
        seconds.append(timed(lambda room=room: dist.all_reduce(room), ROUNDS)[0] / hops)
    return line(HOPS, seconds)


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
