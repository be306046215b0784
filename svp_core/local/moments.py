"""Moments of a labelled vector, decayed a step, and the Gaussian classes that they give."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

UNSEEN = 1e-6  # of all images, for a class that none was seen of: its logits stay finite
FIRST = 20  # steps that all count, whatever the interval: moments change fast
STRIP = 128  # rows of a scatter that are computed together, up to the diagonal


def is_due(step: int, interval: int, first: int = FIRST) -> bool:
    """Whether something is done in a step (from 0): in the first ones, then one in `interval`."""
    return step < first or step % interval == 0


class Running(nn.Module):
    """Statistics of training steps; `seen` counts the batches, or parts of them, behind them."""

    def __init__(self):
        super().__init__()
        self.seen = 0

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.seen)

    def set_extra_state(self, seen: Tensor) -> None:
        self.seen = int(seen)


def ridge_factor(matrix: Tensor, ridge: Tensor) -> Tensor:
    """Return L of A + ridge I = L L' for A (..., d, d), which is changed, and ridge (...).

    It is not a number where the sum is not positive definite: a loss tells; a check would wait.
    """
    matrix.diagonal(dim1=-2, dim2=-1).add_(ridge[..., None])
    factor, failed = torch.linalg.cholesky_ex(matrix)
    is_number = torch.where(failed > 0, torch.nan, 1.0).to(factor.dtype)
    return factor.mul_(is_number[..., None, None])


def ridge_solution(matrix: Tensor, ridge: Tensor, right: Tensor) -> Tensor:
    """Return (A + ridge I)^-1 B of A (d, d), which is changed, and B (d, n)."""
    return torch.cholesky_solve(right, ridge_factor(matrix, ridge))


def oas(covariance: Tensor, images: Tensor) -> Tensor:
    """Return the weight (0 to 1) of mean(diag S) I beside S (d, d), found from so many images.

    Oracle approximating shrinkage (arXiv 0907.4698, eq. 23, without 2/d, as scikit-learn has it).
    """
    square, level = covariance.square().mean(), covariance.diagonal().mean().square()
    spread = (images + 1) * (square - level / len(covariance))
    return torch.where(spread > 0, (square + level) / spread, 1).clamp(max=1)


class Moments(Running):
    """Counts (K), sums (K, d) and scatter (d, d) of v (B, d): N_k, M_k, S, of which ratios count.

    One batch in `interval` is taken in, past the `first` steps, for the steps until the next. v is
    measured from the mean of the first batch, so that a shift of v costs no digits. `scatter` has
    the rows of S up to the diagonal, in strips: see `strips`.
    """

    def __init__(
        self, width: int, classes: int, momentum: float, interval: int = 1, first: int = FIRST
    ):
        super().__init__()
        self.momentum, self.interval, self.first = momentum, interval, first
        self.register_buffer("origin", torch.zeros(width))
        self.register_buffer("count", torch.zeros(classes))
        self.register_buffer("total", torch.zeros(classes, width))
        ends = [*range(STRIP, width, STRIP), width]
        self.spans = list(zip([0, *ends[:-1]], ends, strict=True))
        self.register_buffer("scatter", torch.zeros(sum((b - a) * b for a, b in self.spans)))
        self.register_buffer("squares", torch.zeros(()))  # of the weights of all images seen

    def strips(self) -> Iterator[tuple[int, int, Tensor]]:
        """Yield a, b and rows a to b of S, of which columns 0 to b, (b - a, b)."""
        place = 0
        for start, end in self.spans:
            size = (end - start) * end
            yield start, end, self.scatter[place : place + size].view(end - start, end)
            place += size

    def is_due(self, share: float) -> bool:
        """Whether the batch that comes next, or a `share` of it, will be taken in."""
        return is_due(self.seen // round(1 / share), self.interval, self.first)

    def count_from(self, step: int, cycle: int, parts: int) -> None:
        """Take the next batch for a step's, of so many parts, whole cycles behind the first."""
        self.seen = parts * (step + cycle * -(-self.first // cycle))

    @torch.no_grad()
    def observe(self, values: Tensor | None, labels: Tensor, share: float = 1.0) -> None:
        """Take in v (B, d) and labels (B,) of a step, or of a `share` of its images, if due."""
        is_taken, step = self.is_due(share), self.seen // round(1 / share)
        self.seen += 1
        if not is_taken:
            return
        values = values.to(self.scatter.dtype)
        if self.seen == 1:
            self.origin.copy_(values.mean(dim=0))
        steps = share if step < self.first else share * self.interval
        values, fresh = values - self.origin, 1 - self.momentum**steps
        members = values.new_zeros(len(values), len(self.count))
        members.scatter_(1, labels[:, None], 1 / len(values))
        with torch.autocast(values.device.type, enabled=False):
            self.take(values, members, fresh)

    def take(self, values: Tensor, members: Tensor, fresh: float) -> None:
        """Take in v (B, d) from the origin, members (B, K), 1/B each, with this weight."""
        self.count.lerp_(members.sum(dim=0), fresh)
        self.total.addmm_(members.T, values, beta=1 - fresh, alpha=fresh)
        weights = {"beta": 1 - fresh, "alpha": fresh / len(values)}
        # in place: the scatter of many units together is large
        for start, end, strip in self.strips():
            strip.addmm_(values[:, start:end].T, values[:, :end], **weights)
        self.squares.mul_((1 - fresh) ** 2).add_(fresh**2 / len(values))

    def whole(self) -> Tensor:
        """Return S (d, d) in float64."""
        width = len(self.origin)
        matrix = self.scatter.new_empty(width, width, dtype=torch.float64)
        for start, end, strip in self.strips():
            matrix[start:end, :end] = strip
            matrix[:start, start:end] = strip[:, :start].T
        return matrix

    @torch.no_grad()
    def gaussians(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return pi (K,), mu (K, d) and Sigma_w (d, d), not shrunk, in float64, from the origin."""
        images = self.count.sum().double()
        count, total = self.count.double() / images, self.total.double() / images
        prior = (count + UNSEEN) / (1 + UNSEEN * len(count))
        means = (total + UNSEEN * total.sum(dim=0)) / (count + UNSEEN)[:, None]
        within = self.whole().div_(images).addmm_((count[:, None] * means).T, means, alpha=-1)
        return prior, means, within

    @torch.no_grad()
    def discriminant(self, shrinkage: float | str) -> tuple[Tensor, Tensor]:
        """Return weight (K, d) and bias (K,) of Bayes' rule for Gaussians of one covariance.

        Weight A^-1 mu_k, bias log pi_k - mu_k' A^-1 mu_k / 2; A as of `factor`.
        """
        prior, means, within = self.gaussians()
        weight = torch.cholesky_solve(means.T, self.factor(within, shrinkage)).T
        bias = prior.log() - (weight * (means / 2 + self.origin)).sum(dim=1)
        return weight.to(self.scatter.dtype), bias.to(self.scatter.dtype)

    def factor(self, covariance: Tensor, shrinkage: float | str) -> Tensor:
        """Return L of A = L L' for covariances S (..., d, d) of float64.

        A = S + shrinkage mean(diag S) I; of `oas` (one S only) (1 - a) S + a mean(diag S) I.
        """
        level = covariance.diagonal(dim1=-2, dim2=-1).mean(dim=-1).clamp(min=0)
        if shrinkage == "oas":
            shrinkage = oas(covariance, self.images)
            covariance = (1 - shrinkage) * covariance
        # what the moments were rounded by, so that a covariance of rank 0 is solved as well
        limits = torch.finfo(self.scatter.dtype)
        squares = sum(strip[:, start:].trace() for start, _, strip in self.strips())
        scale = squares.double() / self.count.sum()  # of d entries
        rounding = limits.eps * scale + limits.tiny
        return ridge_factor(covariance, shrinkage * level + rounding)

    @property
    def images(self) -> Tensor:
        """Return how many images of equal weight would tell as much: (sum w)^2 / sum w^2."""
        return self.count.sum().double().square() / self.squares
