"""PEPITA: a second forward pass, of an image that the error has changed, in place of a backward.

Dellaferrera & Kreiman 2022 (arXiv 2201.11665). Pass 1 of x gives activations a_i and the error
e = softmax - one-hot; pass 2 is of x' = x + F e, with F fixed, and gives a'_i and e'. Gradients are
dW_i = (a_i - a'_i) a'_{i-1}^T, a'_0 = x', and of the head e' a'^T, means over the batch; there is
no f', and torch computes no gradient. Labels are seen by the error alone, which the image carries
to every layer; weights stay. A layer waits for the whole of pass 1, whose activations are kept.

Defined for mlp. What differs from the authors: biases, whose gradient is that of W with an input
of 1 (inferred; theirs have none), and no dropout. That the head learns from e', not e, is read in
their code.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.config.options import number
from svp_core.config.run import MethodOptions
from svp_core.methods import Method, Predictions, at_least_float32, update
from svp_core.methods.bp import head
from svp_core.models import Model
from svp_core.seeds import derive
from svp_core.task import Task


class Options(MethodOptions):
    """How far the error moves an image."""

    models = ("mlp",)
    feedback: float = number(
        0.05, "entries of F are uniform within so many times sqrt(6 / pixels)", above=0
    )

    def refuse(self, run):
        if run.recipe.micro_batches > 1:
            yield "feedback: a batch passes twice as a whole; set recipe.micro_batches to 1"


class Pepita(Method):
    """Dense layers, each of a block of its own."""

    def __init__(self, model: Model, task: Task, options: Options, recipe, seed: int):
        super().__init__(recipe)
        self.blocks = model.blocks
        self.head = head(model.widths[-1], task.classes, seed)
        pixels = torch.Size(task.image_shape).numel()
        generator = torch.Generator().manual_seed(derive(seed, "feedback"))
        uniform = 2 * torch.rand(task.classes, pixels, generator=generator) - 1
        self.register_buffer("feedback", options.feedback * (6 / pixels) ** 0.5 * uniform)
        self.optimizers = [self.optimizer(self.parameters())]

    @torch.no_grad()
    def step(self, images: Tensor, labels: Tensor) -> None:
        images = images.flatten(1)
        first = self.features(images)
        logits = self.logits(first[-1])
        before = images + self.error(logits, labels) @ self.feedback
        for block, activation in zip(self.blocks, first, strict=True):
            after = self.run(block, before)
            (layer,) = (one for one in block if isinstance(one, nn.Linear))
            give(layer, activation - after, before)
            before = after
        give(self.head, self.error(self.logits(before), labels), before)
        update(self.optimizers[0])
        self.add("unit_loss", self.loss(logits, labels)[None])

    def error(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return softmax less one-hot label (B, K), smoothed as the recipe asks for."""
        classes, smoothing = logits.shape[1], self.recipe.label_smoothing
        known = F.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
        return logits.softmax(dim=1) - known

    def run(self, module: nn.Module, hidden: Tensor) -> Tensor:
        """Return what a module makes of activations, as losses and updates need it."""
        with self.autocast(hidden.device):
            return at_least_float32(module(hidden))

    def logits(self, features: Tensor) -> Tensor:
        """Return the class logits (B, K) of the head."""
        return self.run(self.head, features)

    def predict(self, images: Tensor) -> Predictions:
        posterior = self.logits(self.features(images)[-1]).log_softmax(dim=1)
        return Predictions([posterior], posterior)

    def features(self, images: Tensor) -> list[Tensor]:
        found, hidden = [], images
        for block in self.blocks:
            hidden = self.run(block, hidden)
            found.append(hidden)
        return found


def give(layer: nn.Linear, error: Tensor, inputs: Tensor) -> None:
    """Set the gradients of a layer as if the error (B, out) were that of its output."""
    layer.weight.grad = error.T @ inputs / len(inputs)
    layer.bias.grad = error.mean(dim=0)


build = Pepita
