"""From a projected activation v (B, d0) to class logits (B, K)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.seeds import derive


class Codebook(nn.Module):
    """Fixed random class codes of norm 1 in R^d0; the logits are v's components along them."""

    def __init__(self, d0: int, classes: int, seed: int):
        super().__init__()
        generator = torch.Generator().manual_seed(derive(seed, "codebook"))
        codes = torch.randn(classes, d0, generator=generator)
        self.register_buffer("codes", codes / codes.norm(dim=1, keepdim=True))

    def forward(self, projected: Tensor) -> Tensor:
        return F.linear(projected, self.codes)


def trainable(d0: int, classes: int, seed: int) -> nn.Linear:
    """Return a trainable K x d0 matrix with entries from N(0, 1/d0)."""
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(d0, classes, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(classes, d0, generator=generator) / d0**0.5)
    return layer


def build(name: str, d0s: list[int], classes: int, seed: int) -> list[nn.Module]:
    """Return the readout of every unit: `identity`, `codebook`, `private` or `shared`.

    `d0s` holds the rows of each unit's projection; units share a codebook and a shared readout.
    """
    if name == "identity":
        return [nn.Identity() for _ in d0s]
    if name == "private":
        streams = [derive(seed, "readout", unit) for unit in range(len(d0s))]
        return [trainable(d0, classes, s) for d0, s in zip(d0s, streams, strict=True)]
    if name == "codebook":
        return [Codebook(d0, classes, seed) for d0 in d0s]
    if name == "shared":
        return [trainable(d0s[0], classes, derive(seed, "readout"))] * len(d0s)
    raise ValueError(f"no readout is called {name!r}")
