"""Agreement of a unit with the one before it, and the Bhattacharyya distance of their posteriors.

unit_agreement: images that both give the same class, in percent; unit_bhattacharyya: the mean of
-log sum_k sqrt(q_i,k q_{i-1,k}) over images, in nats, 0 if equal.
"""

from itertools import pairwise

import torch
from torch import Tensor

from svp_core.metrics import Inside


def of_layers(inside: Inside) -> dict[str, list[float | None]]:
    """Return `unit_agreement` and `unit_bhattacharyya`; None for the first unit."""
    posteriors = [one.posterior for one in inside.layers]
    pairs = list(pairwise(one for one in posteriors if one is not None))
    if not pairs:
        return {}
    alone = [None] * (len(posteriors) - len(pairs))
    return {
        "unit_agreement": [*alone, *(agreement(*pair) for pair in pairs)],
        "unit_bhattacharyya": [*alone, *(bhattacharyya(*pair) for pair in pairs)],
    }


def agreement(log_q: Tensor, log_p: Tensor) -> float:
    """Return the percentage of images (B, K) of equal most probable class."""
    return 100 * (log_q.argmax(dim=1) == log_p.argmax(dim=1)).double().mean().item()


def bhattacharyya(log_q: Tensor, log_p: Tensor) -> float:
    """Return the mean distance of two posteriors (B, K)."""
    return -torch.logsumexp((log_q.double() + log_p.double()) / 2, dim=1).mean().item()
