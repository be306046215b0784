"""Deep supervision: backpropagation with a head at every unit, and the control of all local losses.

Lee et al. 2015 (arXiv 1409.5185). The loss is that of the network's head plus w times the sum of
the cross-entropies of linear heads of phi(h_i), one a unit before the last; all of it trains all
blocks before. With `detach` a unit's input is a constant, so that each loss trains one unit alone:
the difference is what locality costs, or brings, with equal heads and losses.

What differs from the authors: their heads are SVMs with squared hinge loss, and w decays.
"""

import torch
from torch import Tensor

from svp_core.config.options import flag, number
from svp_core.greedy.options import GreedyOptions
from svp_core.greedy.units import Greedy, Head, Part, assembled
from svp_core.local.unit import Reading
from svp_core.methods import update
from svp_core.methods.bp import head
from svp_core.models import Model
from svp_core.task import Task


class Options(GreedyOptions):
    """How far losses reach, and how much those of early heads weigh."""

    detach: bool = flag(False, "let the loss of a head train its own unit alone")
    early_weight: float = number(
        1.0, "w, weight of the losses of heads before the last", at_least=0
    )

    def reach(self, depth):
        return super().reach(depth) if self.detach else depth


class Detached(Greedy):
    """Heads that train their own unit."""

    def unit_loss(self, index: int, output: Tensor, reading: Reading, part: Part) -> Tensor:
        loss = super().unit_loss(index, output, reading, part)
        return loss if index == len(self.units) - 1 else self.options.early_weight * loss


class Joint(Detached):
    """Heads that train all units before them as well, by one backward pass."""

    def step(self, images: Tensor, labels: Tensor) -> None:
        pairs = zip(images.chunk(self.micro_batches), labels.chunk(self.micro_batches), strict=True)
        shares = [self.train_all(Part(x, y, x)) for x, y in pairs]
        for optimizer in self.optimizers:
            update(optimizer)
        self.add("unit_loss", sum(shares[1:], start=shares[0]))

    def train_all(self, part: Part) -> Tensor:
        """Add the gradients of a micro-batch; return its shares of the losses (units,)."""
        losses = []
        for index in range(len(self.units)):
            part.hidden, reading = self.read(index, part.hidden)
            losses.append(self.unit_loss(index, part.hidden, reading, part))
        self.accumulate(torch.stack(losses).sum())
        return torch.stack(losses).detach() / self.micro_batches


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> Greedy:
    """Group the model's blocks into units; draw their heads."""
    setting = (model, task, options, recipe, seed)
    return assembled(
        Detached if options.detach else Joint,
        setting,
        lambda at: Head(model.reduce, head(at.width, task.classes, at.seed)),
    )
