"""Activation checkpointing (arXiv 1604.06174): keep inputs of segments, compute the rest again."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from math import isqrt

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

recomputing: list[nn.Module] = []  # segments that are computed for the second time right now


def segments(blocks: list[nn.Module], name: str) -> list[nn.Sequential]:
    """Return the blocks in groups of 1 (`blocks`), of about sqrt(L) (`segments`), or L (`none`)."""
    depth = len(blocks)
    size = {"none": depth, "blocks": 1, "segments": -(-depth // isqrt(depth))}[name]
    return [nn.Sequential(*blocks[start : start + size]) for start in range(0, depth, size)]


def run(segments: list[nn.Sequential], hidden: Tensor) -> Tensor:
    """Return what the segments make of their input; the last one, needed first, is kept whole."""
    for segment in segments[:-1]:
        contexts = nullcontext(), second_pass(segment)
        hidden = checkpoint(
            segment, hidden, use_reentrant=False, context_fn=lambda both=contexts: both
        )
    return segments[-1](hidden)


@contextmanager
def second_pass(segment: nn.Module) -> Iterator[None]:
    """Keep the running statistics of batch norms: what they see again is no second batch."""
    norms = [module for module in segment.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    recomputing.append(segment)
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        recomputing.remove(segment)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
