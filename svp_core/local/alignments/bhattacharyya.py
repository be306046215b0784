"""-log sum_k sqrt(q_i,k q_{i-1,k}) of the categorical posteriors, in log space (SLL)."""

import torch
from torch import Tensor

from svp_core.config.options import OptionSet
from svp_core.local.unit import Reading

BY = "logits"  # the field of a reading that it compares


def divergence(reading: Reading, previous: Reading, options: OptionSet) -> Tensor:
    """Return the divergence of the posteriors (B, K), a mean over the batch."""
    joint = reading.logits.log_softmax(dim=1) + previous.logits.log_softmax(dim=1)
    return -torch.logsumexp(joint / 2, dim=1).mean()
