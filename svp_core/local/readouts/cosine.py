"""Angles to the class means of whitened v, times one scale: logits that cannot grow, untrained.

Bayes' rule for von Mises-Fisher classes of one concentration on the sphere of whitened v; moments
and solutions are those of lda.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.config.options import declared, number
from svp_core.local.readouts.lda import Discriminant

LDA = declared("local/readouts", "lda")


class Options(LDA):
    """Those of lda, and how far logits reach."""

    concentration: float = number(10.0, "kappa, the largest difference of a logit from 0", above=0)


class Cosine(Discriminant):
    """logits_k = kappa cos(z, z_k) + log pi_k; z = L^-1 (v - mean), z_k that of mu_k, A = L L'."""

    def __init__(self, rows: int, classes: int, options: Options):
        super().__init__(rows, classes, options)
        self.concentration = options.concentration
        self.register_buffer("whitening", torch.zeros(rows, rows))
        self.register_buffer("centre", torch.zeros(rows))
        self.register_buffer("directions", torch.zeros(classes, rows))
        self.register_buffer("bias", torch.zeros(classes))

    def score(self, projected: Tensor) -> Tensor:
        white = F.normalize(F.linear(projected - self.centre, self.whitening), dim=1)
        return F.linear(white, self.concentration * self.directions, self.bias)

    @torch.no_grad()
    def solve(self) -> None:
        prior, means, within = self.moments.gaussians()
        factor, mean = self.moments.factor(within, self.shrinkage), prior @ means
        white = torch.linalg.solve_triangular(factor, (means - mean).T, upper=False).T
        identity = torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
        self.whitening.copy_(torch.linalg.solve_triangular(factor, identity, upper=False))
        self.centre.copy_(mean + self.moments.origin)
        self.directions.copy_(F.normalize(white, dim=1))
        self.bias.copy_(prior.log())


def build(rows, task, options, seed) -> list[nn.Module]:
    """Return a readout a unit."""
    return [Cosine(d0, task.classes, options) for d0 in rows]
