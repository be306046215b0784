"""Pipelines in simulated time: how long training takes on so many devices, and what they wait for.

Blocks under backpropagation pass micro-batches forward and backward, by GPipe or 1F1B, or every
device has all of them and a part of the batch (DDP); local units pass whole batches forward only.
Free of torch. Times are in seconds, sizes in bytes.
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple

AHEAD = 2  # as of svp_core.parallel.link


class Line(NamedTuple):
    """Seconds that a message takes: fixed + size / rate."""

    fixed: float = 0.0
    rate: float = inf  # bytes a second

    def seconds(self, size: float) -> float:
        return self.fixed + size / self.rate if size else 0.0


class Link(NamedTuple):
    """What a message takes until it arrives, and of the time of the processes at both ends.

    Between CPUs they move it themselves; between GPUs it moves beside their work.
    """

    way: Line = Line()
    work: Line = Line()


class Outcome(NamedTuple):
    """What a schedule comes to: seconds a step, and those of all ranks that are spent computing."""

    seconds: float
    work: float
    ranks: int

    @property
    def utilisation(self) -> float:
        return self.work / (self.ranks * self.seconds)

    @property
    def bubble(self) -> float:
        """Return the share of time in which ranks do not compute."""
        return 1 - self.utilisation


class Action(NamedTuple):
    """A piece of a rank's step: it may need the message of another, and may send one."""

    name: tuple[str, int, int]  # kind, rank, micro-batch
    seconds: float
    needs: tuple[str, int, int] | None = None
    takes: float = 0.0  # bytes
    sends: float = 0.0


class Stages(NamedTuple):
    """Seconds of every rank, a micro-batch forward and backward, an update; bytes between them."""

    forward: Sequence[float]
    backward: Sequence[float]
    update: Sequence[float]
    sizes: Sequence[float]  # of a micro-batch, in either direction


def local(ranks: Sequence[float], sizes: Sequence[float], link: Link, steps: int = 1) -> Outcome:
    """Return the outcome of local units: seconds a batch of every rank, bytes between them.

    A rank begins a batch when it has done the last, and it is there; it stops where the next one is
    AHEAD messages behind.
    """
    count, begun, done = len(ranks), [], []
    for step in range(steps):
        begun.append([0.0] * count)
        done.append([0.0] * count)
        for rank, seconds in enumerate(ranks):
            free = done[step - 1][rank] if step else 0.0
            if rank:
                free = max(free, done[step][rank - 1] + link.way.seconds(sizes[rank - 1]))
                seconds += link.work.seconds(sizes[rank - 1])
            begun[step][rank] = free
            if rank < count - 1:
                seconds += link.work.seconds(sizes[rank])
                if step > AHEAD:
                    free = max(free, begun[step - AHEAD - 1][rank + 1] - seconds)
            done[step][rank] = free + seconds
    return Outcome(max(done[-1]) / steps, sum(ranks), count)


def scheduled(name: str, stages: Stages, parts: int, link: Link, steps: int = 1) -> Outcome:
    """Return the outcome of a schedule of so many micro-batches, step after step."""
    count = len(stages.forward)
    lists = [list(actions(stages, rank, order(name, rank, count, parts))) for rank in range(count)]
    free = [0.0] * count
    for _ in range(steps):
        free = run(lists, free, link)
    work = sum(action.seconds for one in lists for action in one)
    return Outcome(max(free) / steps, work, count)


def order(name: str, rank: int, ranks: int, parts: int) -> list[tuple[str, int]]:
    """Return the passes of a rank in a step.

    gpipe (arXiv 1811.06965): all forward, then all backward. 1f1b (PipeDream-Flush, 2006.09503): as
    many forward as there are ranks from this one on, then backward and forward in turn.
    """
    ahead = parts if name == "gpipe" else min(ranks - rank, parts)
    found = [("forward", part) for part in range(ahead)]
    for part in range(parts):
        found.append(("backward", part))
        if part + ahead < parts:
            found.append(("forward", part + ahead))
    return found


def actions(stages: Stages, rank: int, order: Sequence[tuple[str, int]]) -> Iterator[Action]:
    """Yield a rank's actions of a step, the update last."""
    sizes = [0.0, *stages.sizes, 0.0]  # before the first rank, ..., after the last
    for kind, part in order:
        is_forward = kind == "forward"
        takes, sends = sizes[rank : rank + 2] if is_forward else sizes[rank : rank + 2][::-1]
        other = rank - 1 if is_forward else rank + 1
        needs = (kind, other, part) if 0 <= other < len(stages.forward) else None
        yield Action((kind, rank, part), getattr(stages, kind)[rank], needs, takes, sends)
    yield Action(("update", rank, 0), stages.update[rank])


def run(lists: Sequence[Sequence[Action]], free: Sequence[float], link: Link) -> list[float]:
    """Return when every rank is through its actions of a step, given when it was free for them."""
    free, places = list(free), [0] * len(lists)
    sent: dict[tuple, float] = {}  # when a message was sent
    while any(place < len(one) for place, one in zip(places, lists, strict=True)):
        before = list(places)
        for rank, one in enumerate(lists):
            while places[rank] < len(one):
                action = one[places[rank]]
                if action.needs and action.needs not in sent:
                    break
                if action.needs:
                    there = sent[action.needs] + link.way.seconds(action.takes)
                    free[rank] = max(free[rank], there) + link.work.seconds(action.takes)
                sent[action.name] = free[rank] + action.seconds
                free[rank] = sent[action.name] + link.work.seconds(action.sends)
                places[rank] += 1
        if places == before:
            raise ValueError("ranks wait for each other")
    return free


def data_parallel(
    seconds: float, update: float, gradients: float, ranks: int, hop: Line
) -> Outcome:
    """Return the outcome of DDP: seconds of a part of the batch, bytes of all gradients.

    A ring passes 2 (p - 1) messages of a p-th of them; none is hidden, a bound from above.
    """
    reduced = 2 * (ranks - 1) * hop.seconds(gradients / ranks)
    return Outcome(seconds + update + reduced, ranks * (seconds + update), ranks)
