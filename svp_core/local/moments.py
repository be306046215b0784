"""Moments of a labelled vector, decayed a step, and the linear discriminant that they give."""

import torch
from torch import Tensor, nn

UNSEEN = 1e-6  # of all images, for a class that none was seen of: its logits stay finite


class Running(nn.Module):
    """Statistics of training steps; `seen` counts the batches, or parts of them, behind them."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.seen)

    def set_extra_state(self, seen: Tensor) -> None:
        self.seen = int(seen)


def ridge_solution(matrix: Tensor, ridge: Tensor, right: Tensor) -> Tensor:
    """Return (A + ridge I)^-1 B of A (d, d), which is changed, and B (d, n).

    It is not a number where the sum is not positive definite: a loss tells; a check would wait.
    """
    matrix.diagonal().add_(ridge)
    factor, failed = torch.linalg.cholesky_ex(matrix)
    return torch.cholesky_solve(right, factor).masked_fill(failed > 0, torch.nan)


class Moments(Running):
    """Counts (K), sums (K, d) and scatter (d, d) of v (B, d): N_k, M_k, S, of which ratios count.

    v is measured from the mean of the first batch, so that a shift of v costs no digits.
    """

    def __init__(self, width: int, classes: int, momentum: float):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("origin", torch.zeros(width))
        self.register_buffer("count", torch.zeros(classes))
        self.register_buffer("total", torch.zeros(classes, width))
        self.register_buffer("scatter", torch.zeros(width, width))

    @torch.no_grad()
    def observe(self, values: Tensor, labels: Tensor, share: float = 1.0) -> None:
        """Take in v (B, d) and labels (B,) of a step, or of a `share` of its images."""
        values = values.to(self.scatter.dtype)
        if self.seen == 0:
            self.origin.copy_(values.mean(dim=0))
        self.seen += 1
        values, fresh = values - self.origin, 1 - self.momentum**share
        members = values.new_zeros(len(values), len(self.count))
        members.scatter_(1, labels[:, None], 1 / len(values))
        with torch.autocast(values.device.type, enabled=False):
            self.count.lerp_(members.sum(dim=0), fresh)
            self.total.lerp_(members.T @ values, fresh)
            self.scatter.lerp_(values.T @ values / len(values), fresh)

    @torch.no_grad()
    def discriminant(self, shrinkage: float) -> tuple[Tensor, Tensor]:
        """Return weight (K, d) and bias (K,) of Bayes' rule for Gaussians of one covariance.

        A = Sigma_w + shrinkage mean(diag Sigma_w) I, weight A^-1 mu_k, bias log pi_k -
        mu_k' A^-1 mu_k / 2; solved in float64.
        """
        whole = self.count.sum().double()
        count, total, scatter = (
            one.double() / whole for one in (self.count, self.total, self.scatter)
        )
        prior = (count + UNSEEN) / (1 + UNSEEN * len(count))
        means = (total + UNSEEN * total.sum(dim=0)) / (count + UNSEEN)[:, None]
        within = scatter - (count[:, None] * means).T @ means
        # what the sums above were rounded by, so that a covariance of rank 0 is solved as well
        limits = torch.finfo(self.scatter.dtype)
        rounding = len(within) * limits.eps * scatter.diagonal().mean() + limits.tiny
        ridge = shrinkage * within.diagonal().mean().clamp(min=0) + rounding
        weight = ridge_solution(within, ridge, means.T).T
        bias = prior.log() - (weight * (means / 2 + self.origin)).sum(dim=1)
        return weight.to(self.scatter.dtype), bias.to(self.scatter.dtype)
