"""D: divergences between the reading of a unit and that of the one before, batch means."""

import torch
from torch import Tensor


def gaussian_kl(reading: Tensor, previous: Tensor, std: float) -> Tensor:
    """Return |v_i - v_{i-1}|^2 / (2 s^2): the KL of two Gaussians of equal variance (SVP)."""
    return (reading - previous).square().sum(dim=1).mean() / (2 * std**2)


def bhattacharyya(reading: Tensor, previous: Tensor, std: float) -> Tensor:
    """Return -log sum_k sqrt(q_i,k q_{i-1,k}) of the categorical posteriors, in log space (SLL)."""
    joint = reading.log_softmax(dim=1) + previous.log_softmax(dim=1)
    return -torch.logsumexp(joint / 2, dim=1).mean()


ALIGNMENTS = {"gaussian_kl": gaussian_kl, "bhattacharyya": bhattacharyya}
