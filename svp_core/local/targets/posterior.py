"""The labels, mixed with what the last unit said of a class in the steps before.

After online label smoothing (arXiv 2011.12562), whose targets follow the network itself; no
gradient crosses units, but what the last one has learned does.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.config.options import OptionSet, number


class Options(OptionSet):
    """How posteriors are averaged and mixed in."""

    target_weight: float = number(
        0.3, "share of the last unit's mean posterior of a class", at_least=0, below=1
    )
    target_momentum: float = number(
        0.9, "of those means, a step; 0 is the step before alone", at_least=0, below=1
    )


class Posterior(nn.Module):
    """(1 - w) e_y + w mean(q_L of class y), a class not seen yet as if q_L were right."""

    def __init__(self, classes: int, options: Options):
        super().__init__()
        self.weight, self.momentum = options.target_weight, options.target_momentum
        self.register_buffer("means", torch.eye(classes))

    def forward(self, labels: Tensor) -> Tensor:
        certain = F.one_hot(labels, len(self.means)).to(self.means.dtype)
        return torch.lerp(certain, self.means[labels], self.weight)

    @torch.no_grad()
    def observe(self, logits: Tensor, labels: Tensor, share: float) -> None:
        """Take in the last unit's logits (B, K) of a step, or of a `share` of its images."""
        members = F.one_hot(labels, len(self.means)).to(self.means.dtype)
        counts = members.sum(dim=0)[:, None]
        found = members.T @ logits.softmax(dim=1) / counts.clamp(min=1)
        self.means.lerp_(found, (1 - self.momentum**share) * (counts > 0))


def build(task, options) -> Posterior:
    """Return one for all units."""
    return Posterior(task.classes, options)
