"""Negative log-likelihood: mean of -log q(true class), in nats."""

from torch import Tensor
from torch.nn import functional as F


def total(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the sum over a batch (B, K), (B,)."""
    return F.nll_loss(log_probabilities.double(), labels, reduction="sum")


def value(total: Tensor, count: int) -> float:
    """Return the mean."""
    return (total / count).item()
