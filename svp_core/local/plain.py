"""The plain step of svp: gradients by autograd, also where losses reach back into earlier units."""

import torch
from torch import Tensor

from svp_core.local.chain import Chain
from svp_core.local.step import Step
from svp_core.local.unit import Reading
from svp_core.methods import Method


class PlainStep(Step):
    """A training step of any method that reads units and knows their losses."""

    def __init__(self, method: Method):
        super().__init__(method)
        self.overlap, self.own_weight = method.options.overlap, method.options.own_weight

    def prepare(self, labels: Tensor, dtype: torch.dtype) -> Chain:
        return Chain(self.overlap)

    def train(
        self, index: int, hidden: Tensor, previous: Reading | None, labels: Tensor, prepared: Chain
    ) -> tuple[Tensor, Reading, Tensor]:
        method = self.method
        output, reading = method.read(index, hidden, labels)
        loss = method.local_loss(reading, previous, labels, index)
        share = method.accumulate(loss, keep=self.overlap > 0)
        prepared.backward(hidden)
        output = prepared.append(hidden, method.units[index].blocks, output)
        return output, reading.detach(), share

    def update_after(self, index: int) -> None:
        self.weigh(index)
        if index >= self.overlap:
            super().update_after(index - self.overlap)

    def weigh(self, index: int) -> None:
        """Scale the gradient of a unit's own loss in its blocks, which later ones will add to."""
        if self.own_weight != 1 and index < len(self.method.units) - 1:
            weights = self.method.units[index].blocks.parameters()
            gradients = [one.grad for one in weights if one.grad is not None]
            torch._foreach_mul_(gradients, self.own_weight)
