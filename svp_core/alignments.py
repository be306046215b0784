"""D: divergences between the reading of a unit and that of the one before, batch means.

Each takes the reading, that of the unit before (a constant), and the standard deviation s of the
Gaussians, which the categorical ones ignore.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Reading(NamedTuple):
    """What is read from a unit's activation: phi(h) (B, d_i), v (B, d0), class logits (B, K)."""

    features: Tensor
    projected: Tensor
    logits: Tensor

    def detach(self) -> "Reading":
        """Return the same reading as a constant: sg."""
        return Reading(*(tensor.detach() for tensor in self))


def gaussian_kl(reading: Reading, previous: Reading, std: float) -> Tensor:
    """Return |v_i - v_{i-1}|^2 / (2 s^2): the KL of two Gaussians of equal variance (SVP)."""
    return squared_distance(reading.projected, previous.projected, 2 * std**2)


def feature_kl(reading: Reading, previous: Reading, std: float) -> Tensor:
    """Return |phi(h_i) - phi(h_{i-1})|^2 / (2 s^2): the KL unprojected (collapses)."""
    return squared_distance(reading.features, previous.features, 2 * std**2)


def kl(reading: Reading, previous: Reading, std: float) -> Tensor:
    """Return sum_k q_i,k log(q_i,k / q_{i-1,k}) of the categorical posteriors."""
    log_q, log_p = reading.logits.log_softmax(dim=1), previous.logits.log_softmax(dim=1)
    return (log_q.exp() * (log_q - log_p)).sum(dim=1).mean()


def bhattacharyya(reading: Reading, previous: Reading, std: float) -> Tensor:
    """Return -log sum_k sqrt(q_i,k q_{i-1,k}) of the categorical posteriors, in log space (SLL)."""
    joint = reading.logits.log_softmax(dim=1) + previous.logits.log_softmax(dim=1)
    return -torch.logsumexp(joint / 2, dim=1).mean()


def squared_distance(one: Tensor, other: Tensor, unit: float) -> Tensor:
    return F.mse_loss(one, other, reduction="sum") / (len(one) * unit)


ALIGNMENTS = {
    "gaussian_kl": gaussian_kl,
    "feature_kl": feature_kl,
    "kl": kl,
    "bhattacharyya": bhattacharyya,
}
