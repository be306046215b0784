"""sum_k q_i,k log(q_i,k / q_{i-1,k}): the KL of the categorical posteriors."""

from torch import Tensor

from svp_core.config.options import OptionSet
from svp_core.local.unit import Reading

BY = "logits"  # the field of a reading that it compares


def divergence(reading: Reading, previous: Reading, options: OptionSet) -> Tensor:
    """Return the divergence of the posteriors (B, K), a mean over the batch."""
    log_q, log_p = reading.logits.log_softmax(dim=1), previous.logits.log_softmax(dim=1)
    return (log_q.exp() * (log_q - log_p)).sum(dim=1).mean()
