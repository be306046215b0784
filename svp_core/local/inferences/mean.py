"""The mean of all log-posteriors, normalised: Theorem 1 speaks of the mean of their bounds."""

import torch
from torch import Tensor, nn

from svp_core.local.unit import Reading


class Mean(nn.Module):
    """softmax of 1/L sum_i log q_i."""

    def forward(self, readings: list[Reading]) -> Tensor:
        posteriors = torch.stack([one.logits.log_softmax(dim=1) for one in readings])
        return posteriors.mean(dim=0).log_softmax(dim=1)


def build(rows, task, options) -> Mean:
    """Return the rule."""
    return Mean()
