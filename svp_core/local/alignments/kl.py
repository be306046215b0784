"""sum_k q_i,k log(q_i,k / q_{i-1,k}): the KL of the categorical posteriors."""

from torch import Tensor

from svp_core.config.options import OptionSet
from svp_core.local.unit import Reading

BY = "logits"  # what `slope` is the gradient by


def divergence(reading: Reading, previous: Reading, options: OptionSet) -> Tensor:
    """Return the divergence of the posteriors (B, K), a mean over the batch."""
    log_q, log_p = reading.logits.log_softmax(dim=1), previous.logits.log_softmax(dim=1)
    return (log_q.exp() * (log_q - log_p)).sum(dim=1).mean()


def slope(
    reading: Reading, previous: Reading, share: float, options: OptionSet
) -> tuple[Tensor, Tensor]:
    """Return `share` of the sum over the batch, and its gradient (B, K) by the logits."""
    log_q, log_p = reading.logits.log_softmax(dim=1), previous.logits.log_softmax(dim=1)
    q, ratio = log_q.exp(), log_q - log_p
    each = (q * ratio).sum(dim=1, keepdim=True)
    return each.sum() * share, q * (ratio - each) * share
