"""How long every unit works on a batch, by which the ranks of a pipeline are balanced."""

from statistics import median

from torch import Tensor

from svp_core.methods.svp import SVP
from svp_core.parallel.ranks import Ranks
from svp_core.parallel.stage import Stage
from svp_core.runtime.meters import clock

ROUNDS = 5


def unit_seconds(method: SVP, images: Tensor, labels: Tensor, rounds: int = ROUNDS) -> list[float]:
    """Return the median seconds of every unit's training on a batch, which changes the method."""
    stage = Stage(method, range(len(method.units)), Ranks(0, 1), None).train()
    found: list[list[float]] = [[] for _ in stage.span]
    for turn in range(rounds + 1):  # the first one is a warm-up
        batch = stage.arrived(images, labels)
        for index, optimizer in zip(stage.span, stage.optimizers, strict=True):
            started = clock(images.device)
            stage.train_unit(index, optimizer, batch)
            if turn:
                found[index].append(clock(images.device) - started)
    return [median(one) for one in found]
