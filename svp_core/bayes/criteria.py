"""Scores by which active weights N(mu, sigma^2) are removed, the smallest first (arXiv 2402.11025).

All in float64: variances of |w| are differences of nearly equal numbers. As sigma -> 0 all rank
like |mu|, but for SNR_exp_mean_abs, which tends to 1 / (lambda sigma) whatever mu is: its
distribution, then log-normal, has the same relative spread everywhere.
"""

from math import pi, sqrt

import torch
from torch import Tensor

LAMBDA = 1.0  # of exp(lambda |w|)
SMALLEST = 1e-300  # of a variance


def mean(mu: Tensor, sigma: Tensor) -> Tensor:
    """Return |mu|."""
    return mu.abs()


def snr(mu: Tensor, sigma: Tensor) -> Tensor:
    """Return |mu| / sigma."""
    return mu.abs() / sigma


def mean_abs(mu: Tensor, sigma: Tensor) -> Tensor:
    """Return E |w|."""
    ratio = mu / sigma
    return mu * torch.erf(ratio / sqrt(2)) + sigma * sqrt(2 / pi) * (-ratio.square() / 2).exp()


def snr_mean_abs(mu: Tensor, sigma: Tensor) -> Tensor:
    """Return E |w| over the standard deviation of |w|."""
    first = mean_abs(mu, sigma)
    return over_deviation(first, mu.square() + sigma.square())


def exp_mean_abs(mu: Tensor, sigma: Tensor, scale: float = LAMBDA) -> Tensor:
    """Return E exp(scale |w|)."""
    ratio, shift, half = mu / sigma, scale * sigma, (scale * sigma).square() / 2
    upper = (half + scale * mu).exp() * torch.special.ndtr(ratio + shift)
    return upper + (half - scale * mu).exp() * torch.special.ndtr(shift - ratio)


def snr_exp_mean_abs(mu: Tensor, sigma: Tensor) -> Tensor:
    """Return E exp(lambda |w|) over the standard deviation of exp(lambda |w|)."""
    return over_deviation(exp_mean_abs(mu, sigma), exp_mean_abs(mu, sigma, 2 * LAMBDA))


def over_deviation(first: Tensor, second: Tensor) -> Tensor:
    """Return the first moment over the standard deviation that both moments make."""
    return first / (second - first.square()).clamp(min=SMALLEST).sqrt()


CRITERIA = {
    "mean": mean,
    "snr": snr,
    "E_mean_abs": mean_abs,
    "SNR_mean_abs": snr_mean_abs,
    "E_exp_mean_abs": exp_mean_abs,
    "SNR_exp_mean_abs": snr_exp_mean_abs,
}


def score(name: str, mu: Tensor, sigma: Tensor) -> Tensor:
    """Return the score of a criterion (any shape), in float64."""
    return CRITERIA[name](mu.double(), sigma.double())
