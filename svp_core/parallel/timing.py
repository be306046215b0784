"""How long every unit works on a batch, by which the ranks of a pipeline are balanced."""

from statistics import median

from torch import Tensor

from svp_core.methods.svp import SVP
from svp_core.runtime.meters import clock

ROUNDS = 5


def unit_seconds(method: SVP, images: Tensor, labels: Tensor, rounds: int = ROUNDS) -> list[float]:
    """Return the median seconds of every unit's training on a batch, which changes the method.

    Labels move on by one image a round, as in svp_core.cost.measure. What a rank prepares once a
    batch, such as targets, is in the time of every unit.
    """
    step = method.train().step_kind
    found: list[list[float]] = [[] for _ in method.units]
    for turn in range(rounds + 1):  # the first one is a warm-up
        batch = step.begin(images, labels.roll(turn))
        for index, seconds in enumerate(found):
            started = clock(images.device)
            step.sweep(batch, range(index, index + 1))
            if turn:
                seconds.append(clock(images.device) - started)
    return [median(one) for one in found]
