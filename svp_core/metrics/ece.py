"""Expected calibration error (Guo et al. 2017): |confidence - accuracy|, mean over 15 equal bins.

Confidence is the probability of the predicted class; bins weigh as many images as they hold.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

BINS = 15


def total(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return confidence less accuracy of a batch (B, K), (B,), summed by bin (BINS,)."""
    confidence, predicted = log_probabilities.double().exp().max(dim=1)
    # the first bin is [0, 1/15], others exclude their lower edge, as is customary
    place = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    excess = confidence - (predicted == labels).double()
    return torch.einsum("b,bn->n", excess, F.one_hot(place, BINS).double())


def value(total: Tensor, count: int) -> float:
    """Return the error, from 0 to 1."""
    return (total.abs().sum() / count).item()
