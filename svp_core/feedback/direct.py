"""Signals of the classes that reach every block directly, by one fixed random matrix a block."""

from math import prod

import torch
from torch import Tensor

from svp_core.feedback.options import DirectOptions
from svp_core.methods import Method, Predictions, at_least_float32
from svp_core.methods.bp import head
from svp_core.models import Model
from svp_core.seeds import derive
from svp_core.shapes import shapes
from svp_core.task import Task


class Direct(Method):
    """Blocks that see no gradient of each other, and a trained head that sees the last one.

    A block is given `signal @ B_i` (B, ...) as the gradient of its activation of d_i features; its
    own nonlinearity, norm and inner layers have their exact backward pass.
    """

    def __init__(self, model: Model, task: Task, options: DirectOptions, recipe, seed: int):
        super().__init__(recipe)
        self.blocks, self.reduce = model.blocks, model.reduce
        self.head = head(model.widths[-1], task.classes, seed)
        for place, shape in enumerate(shapes(model, task.image_shape)):
            generator = torch.Generator().manual_seed(derive(seed, "feedback", place))
            uniform = 2 * torch.rand(task.classes, *shape, generator=generator) - 1
            bound = options.feedback * (6 / prod(shape)) ** 0.5
            self.register_buffer(f"feedback_{place}", bound * uniform)  # (K, ...)

    def send(self, place: int, activation: Tensor, signal: Tensor) -> None:
        """Add the gradients of a block that a signal (B, K) brings about."""
        matrix = self.get_buffer(f"feedback_{place}").flatten(1)
        brought = (signal.to(matrix.dtype) @ matrix).view(activation.shape)
        activation.backward(brought.to(activation.dtype))

    def activations(self, images: Tensor) -> list[Tensor]:
        """Return the activations of all blocks; no gradient crosses from one to another."""
        found, hidden = [], images
        with self.autocast(images.device):
            for block in self.blocks:
                hidden = block(hidden.detach())
                found.append(hidden)
        return found

    def logits(self, activation: Tensor) -> Tensor:
        """Return the class logits (B, K) of the head, of the last activation as a constant."""
        with self.autocast(activation.device):
            return at_least_float32(self.head(self.reduce(activation.detach())))

    def predict(self, images: Tensor) -> Predictions:
        posterior = self.logits(self.activations(images)[-1]).log_softmax(dim=1)
        return Predictions([posterior], posterior)

    def features(self, images: Tensor) -> list[Tensor]:
        return [at_least_float32(self.reduce(one)) for one in self.activations(images)]
