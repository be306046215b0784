"""Direct feedback alignment: fixed random matrices carry the output's error to every block.

Nokland 2016 (arXiv 1609.01596). With e = dL/dlogits (softmax less one-hot label, over the batch)
the gradient of activation h_i is e B_i, in place of what backpropagation would bring; behind it
f' is exact. Labels are seen by the head's loss alone, errors go from there to every block, weights
stay. A block waits for the forward pass of all blocks, not for any backward pass.

What had to be inferred: B_i, uniform as in the code of DRTP (arXiv 1909.01311). A block is a layer
of mlp, cnn and vgg, whose norm and pooling are exact; the layers within a residual block or an
encoder layer backpropagate, which arXiv 2006.12878 calls macro.
"""

from torch import Tensor

from svp_core.feedback.direct import Direct
from svp_core.feedback.options import DirectOptions
from svp_core.methods import update
from svp_core.models import Model
from svp_core.task import Task


class Options(DirectOptions):
    """None but those of direct feedback."""


class DFA(Direct):
    """One loss, whose error every block is shown."""

    def __init__(self, model: Model, task: Task, options: Options, recipe, seed: int):
        super().__init__(model, task, options, recipe, seed)
        self.optimizers = [self.optimizer(self.parameters())]

    def step(self, images: Tensor, labels: Tensor) -> None:
        parts = zip(images.chunk(self.micro_batches), labels.chunk(self.micro_batches), strict=True)
        shares = [self.show(x, y) for x, y in parts]
        update(self.optimizers[0])
        self.add("unit_loss", sum(shares[1:], start=shares[0])[None])

    def show(self, images: Tensor, labels: Tensor) -> Tensor:
        """Add the gradients of a micro-batch; return its share of the loss."""
        activations = self.activations(images)
        logits = self.logits(activations[-1])
        logits.retain_grad()
        share = self.accumulate(self.loss(logits, labels))
        signal = self.signal(logits.grad)
        for place, activation in enumerate(activations):
            self.send(place, activation, signal)
        return share

    def signal(self, error: Tensor) -> Tensor:
        """Return what the blocks are shown of e (B, K)."""
        return error


build = DFA
