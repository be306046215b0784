"""Successive gradient reconciliation: neighbours agree on the gradient of the tensor between them.

Yang et al. 2024 (arXiv 2406.05222). Unit k minimises L_k + lambda E_n |r_n - g_n|^2, with the
cross-entropy L_k of a linear head of phi(h_k), for image n the gradient r_n of its own loss by the
unit's input, and what its predecessor has found for the same tensor, g_n = sg(dL_{k-1}/dh_{k-1}).
The first unit has no such term. Gradients reach the unit and its head alone: the input and g are
constants. g goes forward with the activation, the size of it; labels go to every unit; a unit is
updated before the next one runs. Its gradient passes twice through a unit (double backward).

One block a unit is the one-layer form, where r is the gradient through a single layer; more are the
block form, with backpropagation inside. No code and no lambda were published: the squared distance,
its scale (the loss of one image, not the mean's), the order and the heads are inferred, as is
`gap: cosine`, 1 - cos(r_n, g_n). With `partner: other` g is that of the batch's next image, a
control: a match that is worth nothing but for a smaller r would do as well.
"""

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from svp_core.config.options import choice, number
from svp_core.greedy.options import GreedyOptions
from svp_core.greedy.units import Greedy, Head, Part, assembled
from svp_core.methods import at_least_float32
from svp_core.methods.bp import head
from svp_core.models import Model
from svp_core.task import Task


class Options(GreedyOptions):
    """How much neighbours shall agree, and in what."""

    reconciliation: float = number(1.0, "lambda, weight of the gap", at_least=0)
    gap: str = choice(
        "squared", "cosine", meaning="between two gradients of an image, |r - g|^2 or 1 - cos(r, g)"
    )
    partner: str = choice(
        "same", "other", meaning="image of the g that an image's r is compared with; other, the"
        " next one of its micro-batch, is a control",
    )  # fmt: skip

    def refuse(self, run):
        yield from super().refuse(run)
        if self.partner == "other" and run.recipe.batch_size == run.recipe.micro_batches:
            yield "partner: there is no other image in a micro-batch of one"


class SGR(Greedy):
    """Units that hand on their activation and their loss's gradient by it."""

    def train_unit(self, index: int, part: Part) -> Tensor:
        is_compared = index > 0 and self.options.reconciliation > 0
        # a view, or counters of operations refuse: they cannot follow autograd.grad to a leaf
        hidden = part.hidden.requires_grad_(is_compared).view_as(part.hidden)
        with sdpa_kernel(SDPBackend.MATH):  # faster attention has no second derivative
            output, reading = self.read(index, hidden)
        loss = self.loss(reading.logits, part.labels)
        if is_compared:
            gradient, own = torch.autograd.grad(loss, [output, hidden], create_graph=True)
            share = self.reconcile(index, loss, self.gap(own, part.gradient))
            part.gradient = gradient.detach()
        else:
            output.retain_grad()
            share = self.accumulate(loss)
            part.gradient = output.grad * self.micro_batches
        part.hidden = output.detach()
        return share

    def reconcile(self, index: int, loss: Tensor, gap: Tensor) -> Tensor:
        """Add the gradients of a unit's loss and gap; return the share of the loss."""
        trained = [*self.units[index].parameters(), *self.readouts[index].parameters()]
        whole = torch.add(loss, gap, alpha=self.options.reconciliation) / self.micro_batches
        whole.backward(inputs=trained)  # and not of what the unit was given
        self.add("gap", gap.detach() / self.micro_batches / (len(self.units) - 1))
        return loss.detach() / self.micro_batches

    def gap(self, own: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean difference of r and g (B, ...), gradients of a mean loss over images."""
        if self.options.partner == "other":
            wanted = wanted.roll(1, dims=0)
        own, wanted = (at_least_float32(one).flatten(1) * len(one) for one in (own, wanted))
        if self.options.gap == "cosine":
            return 1 - torch.cosine_similarity(own, wanted, dim=1).mean()
        return (own - wanted).square().sum(dim=1).mean()


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> SGR:
    """Group the model's blocks into units; draw their heads."""
    setting = (model, task, options, recipe, seed)
    return assembled(
        SGR, setting, lambda at: Head(model.reduce, head(at.width, task.classes, at.seed))
    )
