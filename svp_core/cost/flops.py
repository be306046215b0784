"""Floating-point operations of a training step: counted by torch, and in closed form."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from svp_core.methods import Method

LONGEST = 10_000  # steps of a cycle that are looked at


def count_flops(method: Method, images: Tensor, labels: Tensor) -> int:
    """Return the FLOPs of matrix products and convolutions of one step, which changes the method.

    Forward and backward pass, projection and back-projection, and what is computed twice. Where
    not every step is alike, their mean, the first ones aside; a step that does all is the next.
    """
    found = 0.0
    for step, share in occasions(method.rhythm()):
        method.go_to(step)
        with FlopCounterMode(display=False, custom_mapping=LEFT_OUT) as counter:
            method.step(images, labels)
        found += share * counter.get_total_flops()
    method.go_to(0)
    return round(found)


def in_place(_, left: torch.Size, right: torch.Size, **__) -> int:
    """Return the FLOPs of addmm_ by the shapes of its matrices."""
    return 2 * left[0] * left[1] * right[1]


LEFT_OUT = {torch.ops.aten.addmm_: in_place}  # by torch, which counts addmm


def occasions(rhythm: list[int]) -> Iterator[tuple[int, float]]:
    """Yield steps that differ in what is due by some intervals, and their shares of all steps."""
    steps = range(min(math.lcm(*rhythm), LONGEST))
    kinds: dict[tuple[bool, ...], list[int]] = {}
    for step in steps:
        kinds.setdefault(tuple(step % one == 0 for one in rhythm), []).append(step)
    for alike in kinds.values():
        yield alike[0], len(alike) / len(steps)


def macs(widths: list[int], d0: int | None = None) -> int:
    """Return MACs (2 FLOPs each) per image of layers widths[0] -> ... -> widths[-1] in training.

    SVP with `d0` rows a projection, read directly: 2 d_{i-1} d_i + 2 d0 d_i a layer, forward and
    weight gradient, projection and back-projection; BP (None), whose head is the last layer:
    3 d_{i-1} d_i, less the gradient of the image, which nobody needs.
    """
    pairs = list(zip(widths, widths[1:], strict=False))
    if d0 is not None:
        return sum(2 * before * after + 2 * d0 * after for before, after in pairs)
    return sum(3 * before * after for before, after in pairs) - widths[0] * widths[1]
