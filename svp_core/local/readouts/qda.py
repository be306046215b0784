"""Bayes' rule for Gaussian classes of their own covariances (quadratic discriminant), untrained.

Moments and solutions take K times those of lda, d0^2 numbers a class.
"""

import torch
from torch import Tensor, nn

from svp_core.config.options import declared, number
from svp_core.local.moments import UNSEEN, Moments
from svp_core.local.readouts.lda import Discriminant

LDA = declared("local/readouts", "lda")


class Options(LDA):
    """Those of lda, and how much of its covariance every class has."""

    common: float = number(
        0.5,
        "share of the common covariance in that of every class; towards 1 it is lda",
        at_least=0,
        below=1,
    )

    def refuse(self, run):
        if self.shrinkage == "oas":
            yield "shrinkage: oas is of one covariance, not of one a class"


class ClassMoments(Moments):
    """With the scatter of every class (K, d, d)."""

    def __init__(self, width: int, classes: int, *rhythm: float):
        super().__init__(width, classes, *rhythm)
        self.register_buffer("scatters", torch.zeros(classes, width, width))

    def take(self, values: Tensor, members: Tensor, fresh: float) -> None:
        super().take(values, members, fresh)
        self.scatters.lerp_((members.T[:, None] * values.T) @ values, fresh)

    def covariances(self, means: Tensor) -> Tensor:
        """Return Sigma_k (K, d, d) around mu_k (K, d); of an unseen class that of all images."""
        images = self.count.sum().double()
        count, one = (self.count.double() / images)[:, None, None], self.whole() / images
        second = (self.scatters.double() / images + UNSEEN * one) / (count + UNSEEN)
        return second - means[:, :, None] * means[:, None]


class QDA(Discriminant):
    """logits_k = log pi_k - |L_k^-1 (v - mu_k)|^2 / 2 - log det L_k, A_k = L_k L_k'."""

    Moments = ClassMoments

    def __init__(self, rows: int, classes: int, options: Options):
        super().__init__(rows, classes, options)
        self.common = options.common
        self.register_buffer("whitening", torch.zeros(classes, rows, rows))
        self.register_buffer("centres", torch.zeros(classes, 1, rows))
        self.register_buffer("bias", torch.zeros(classes))

    def score(self, projected: Tensor) -> Tensor:
        white = (projected - self.moments.origin) @ self.whitening.mT - self.centres  # (K, B, d0)
        return self.bias - white.square().sum(dim=2).T / 2

    @torch.no_grad()
    def solve(self) -> None:
        prior, means, within = self.moments.gaussians()
        mixed = self.moments.covariances(means).lerp(within, self.common)
        factors = self.moments.factor(mixed, self.shrinkage)
        identity = torch.eye(means.shape[1], dtype=means.dtype, device=means.device)
        whitening = torch.linalg.solve_triangular(factors, identity, upper=False)
        self.whitening.copy_(whitening)
        self.centres.copy_((whitening @ means[:, :, None]).mT)
        volumes = factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        self.bias.copy_(prior.log() - volumes + volumes.mean())  # what all share cancels out


def build(rows, task, options, seed) -> list[nn.Module]:
    """Return a readout a unit."""
    return [QDA(d0, task.classes, options) for d0 in rows]
