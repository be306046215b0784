"""Direct random target projection: a block learns from the labels alone, at once.

Frenkel et al. 2021 (arXiv 1909.01311). The gradient of activation h_i is y B_i with the one-hot
label y, over the batch, and behind it f' is exact; the head learns by its own loss. Labels go to
every block, no errors and no weights; a block is updated before the next one runs.

What differs from the authors: hidden layers are those of the models, ReLU rather than tanh, and the
head has softmax and cross-entropy, not sigmoid and binary cross-entropy. Their gradient is a sum
over the batch, here a mean, as of a loss. Blocks of several layers are as in dfa.
"""

from torch import Tensor
from torch.nn import functional as F

from svp_core.feedback.direct import Direct
from svp_core.feedback.options import DirectOptions
from svp_core.methods import update
from svp_core.models import Model
from svp_core.task import Task


class Options(DirectOptions):
    """None but those of direct feedback."""

    blocks = 1  # no option: how many blocks one loss, or label, trains


class DRTP(Direct):
    """An optimiser a block, and one of the head."""

    def __init__(self, model: Model, task: Task, options: Options, recipe, seed: int):
        super().__init__(model, task, options, recipe, seed)
        trained = [*self.blocks, self.head]
        self.optimizers = [self.optimizer(list(one.parameters())) for one in trained]

    def step(self, images: Tensor, labels: Tensor) -> None:
        hidden, labels = (list(one.chunk(self.micro_batches)) for one in (images, labels))
        for place, block in enumerate(self.blocks):
            for part, known in enumerate(labels):
                with self.autocast(images.device):
                    output = block(hidden[part])
                target = F.one_hot(known, self.head.out_features)
                self.send(place, output, target / len(images))
                hidden[part] = output.detach()
            update(self.optimizers[place])
        losses = (self.loss(self.logits(h), y) for h, y in zip(hidden, labels, strict=True))
        shares = [self.accumulate(loss) for loss in losses]
        update(self.optimizers[-1])
        self.add("unit_loss", sum(shares[1:], start=shares[0])[None])


build = DRTP
