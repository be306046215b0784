"""Fixed random class codes of norm 1 in R^d0, the same for all units of equal d0."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.seeds import derive


class Codebook(nn.Module):
    """Logits are v's components along the codes."""

    def __init__(self, rows: int, classes: int, seed: int):
        super().__init__()
        generator = torch.Generator().manual_seed(derive(seed, "codebook"))
        codes = torch.randn(classes, rows, generator=generator)
        self.register_buffer("codes", codes / codes.norm(dim=1, keepdim=True))

    bias = None  # codes are all there is

    @property
    def weight(self) -> Tensor:
        return self.codes

    def forward(self, projected: Tensor) -> Tensor:
        return F.linear(projected, self.codes)


def build(rows, task, options, seed) -> list[nn.Module]:
    """Return a readout a unit."""
    return [Codebook(d0, task.classes, seed) for d0 in rows]
