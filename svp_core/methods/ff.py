"""Forward-forward: a layer learns to be active for images with their label, quiet for others.

Hinton 2022 (arXiv 2212.13345). A layer of d neurons minimises BCE(g - t d, is the label right) +
w mean_j (mean_k m_k - m_j)^2 of its activation a: g = sum a^2, the wrong label is random, and m_j
is the moving average (0.9, at first 0.5) of neuron j's mean activity for right labels. Labels come
with the image, in two passes; no errors and no weights travel; a layer is updated before the next
one runs.

It predicts by a linear probe, trained beside the layers as a third pass, or by the label of the
largest goodness; a unit by its own goodness. Defined for mlp. As in the code of
loeweX/Forward-Forward: ReLU passes the gradient of inactive neurons, weights have a spread of
1/sqrt(d) at first, biases and probe are 0. What differs: weights are those of the seed, scaled, so
uniform, not Gaussian; `label` is inferred, since images are standardised here.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from svp_core.config.options import number
from svp_core.goodness.layers import Goodness
from svp_core.goodness.options import GoodnessOptions
from svp_core.models import Model
from svp_core.task import Task

MOMENTUM = 0.9


class Options(GoodnessOptions):
    """The loss of a layer."""

    threshold: float = number(1.0, "t, goodness a neuron above which a label is right", above=0)
    peer_weight: float = number(0.03, "w, weight of equal activity of all neurons", at_least=0)


class FF(Goodness):
    """Layers that tell right labels by a threshold."""

    def __init__(self, model: Model, task: Task, options: Options, recipe, seed: int):
        super().__init__(model, task, options, recipe, seed)
        for place, width in enumerate(model.widths):
            self.register_buffer(f"activity_{place}", torch.full((width,), 0.5))

    def local_loss(self, right: Tensor, wrong: Tensor, place: int) -> Tensor:
        goodness = torch.cat([right, wrong]).square().sum(dim=1)
        logits = goodness - self.options.threshold * right.shape[1]
        is_right = torch.arange(len(logits), device=logits.device) < len(right)
        loss = F.binary_cross_entropy_with_logits(logits, is_right.to(logits.dtype))
        known = self.get_buffer(f"activity_{place}")
        activity = torch.lerp(right.mean(dim=0), known, MOMENTUM)
        known.copy_(activity.detach())
        return loss + self.options.peer_weight * (activity.mean() - activity).square().mean()


build = FF
