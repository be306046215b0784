"""Which k of the N terms of a sum of outer products stand for all of them (arXiv 2305.15265).

Of p_1 >= p_2 >= ... the c largest are kept as they are, k - c are drawn from the rest with
probability p_j / (1 - P_c), P_c the sum of those kept, and each is weighted by
(1 - P_c) / ((k - c) p_j): the sum is unbiased for every c. c = 0 is column-row sampling (CRS).
"""

import torch
from torch import Tensor

RULES = ("wta_crs", "crs", "top_k")


def count(rows: int, keep: float) -> int:
    """Return k of N rows, the nearest to a share `keep` of them, at least 1."""
    return max(1, round(keep * rows))


def choose(sizes: Tensor, kept: int, rule: str) -> tuple[Tensor, Tensor]:
    """Return places (k,) of terms and their weights (k,), of sizes (N,) that p follows.

    top_k keeps the k largest and draws none, which is biased. Nothing waits for a GPU: c stays a
    tensor.
    """
    sizes = sizes.double()
    limits = torch.finfo(torch.float32)
    sizes = sizes + limits.eps * sizes.max() + limits.tiny  # what is 0 may be drawn, and counts 0
    shares, order = (sizes / sizes.sum()).sort(descending=True)
    place = torch.arange(kept, device=sizes.device)
    rest = shares.flip(0).cumsum(0).flip(0)  # 1 - P_c for c = 0, 1, ...
    certain = {"wta_crs": best(rest[:kept], place), "crs": 0, "top_k": kept}[rule]
    left = rest.take(torch.as_tensor(certain, device=rest.device).clamp(max=len(rest) - 1))
    # a number below `left` falls to the term in whose stretch of the rest it lies
    draws = left * (1 - torch.rand(kept, dtype=rest.dtype, device=rest.device))
    drawn = len(rest) - torch.searchsorted(rest.flip(0), draws) - 1
    taken = torch.where(place < certain, place, drawn)
    weights = torch.where(place < certain, 1.0, left / ((kept - certain) * shares[taken]))
    return order[taken], weights


def best(rest: Tensor, certain: Tensor) -> Tensor:
    """Return the c that minimises (1 - P_c)^2 / (k - c), a bound of the variance."""
    return (rest.square() / (len(rest) - certain)).argmin()
