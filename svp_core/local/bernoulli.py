"""Neurons that are 1 with probability sigmoid(a), else -1: one of a = 0 reads as 0 on average."""

import torch
from torch import Tensor


def mean(features: Tensor) -> Tensor:
    """Return 2 sigmoid(a) - 1 of a (B, d)."""
    return torch.tanh(features / 2)


def draw(features: Tensor) -> Tensor:
    """Return draws (B, d) of -1 and 1, constants of a."""
    chances = torch.sigmoid(features.detach())
    return 2 * (torch.rand_like(chances) < chances).to(features.dtype) - 1
