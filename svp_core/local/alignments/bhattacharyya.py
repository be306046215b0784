"""-log sum_k sqrt(q_i,k q_{i-1,k}) of the categorical posteriors, in log space (SLL)."""

import torch
from torch import Tensor

from svp_core.config.options import OptionSet
from svp_core.local.unit import Reading

BY = "logits"  # what `slope` is the gradient by


def divergence(reading: Reading, previous: Reading, options: OptionSet) -> Tensor:
    """Return the divergence of the posteriors (B, K), a mean over the batch."""
    joint = reading.logits.log_softmax(dim=1) + previous.logits.log_softmax(dim=1)
    return -torch.logsumexp(joint / 2, dim=1).mean()


def slope(
    reading: Reading, previous: Reading, share: float, options: OptionSet
) -> tuple[Tensor, Tensor]:
    """Return `share` of the sum over the batch, and its gradient (B, K) by the logits."""
    log_q = reading.logits.log_softmax(dim=1)
    joint = (log_q + previous.logits.log_softmax(dim=1)) / 2
    overlap = torch.logsumexp(joint, dim=1, keepdim=True)
    gradient = (log_q.exp() - (joint - overlap).exp()) * (share / 2)
    return overlap.sum() * -share, gradient
