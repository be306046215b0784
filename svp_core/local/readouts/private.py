"""A trainable K x d0 matrix a unit, with entries from N(0, 1/d0) at first."""

import torch
from torch import nn

from svp_core.seeds import derive


def build(rows, task, options, seed) -> list[nn.Module]:
    """Return a readout a unit."""
    streams = (derive(seed, "readout", unit) for unit in range(len(rows)))
    return [matrix(d0, task.classes, stream) for d0, stream in zip(rows, streams, strict=True)]


def matrix(rows: int, classes: int, seed: int) -> nn.Linear:
    """Return a trainable layer from v (B, d0) to logits (B, K)."""
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(rows, classes, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(classes, rows, generator=generator) / rows**0.5)
    return layer
