"""Centred Gram matrices and covariances of activations, and their common spectrum."""

import torch
from torch import Tensor


def gram(features: Tensor) -> Tensor:
    """Return inner products (N, N) of centred features (N, d), in float64."""
    centred = features.double() - features.double().mean(dim=0)
    return centred @ centred.T


def variances(features: Tensor) -> Tensor:
    """Return the variances along the principal axes of features (N, d), min(N, d) of them."""
    centred = features.double() - features.double().mean(dim=0)
    is_wide = centred.shape[1] > len(centred)
    moments = centred @ centred.T if is_wide else centred.T @ centred
    return torch.linalg.eigvalsh(moments).clamp(min=0) / len(centred)
