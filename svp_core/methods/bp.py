"""Backpropagation: one loss of one trainable linear head, one backward pass through all blocks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.methods import Method, at_least_float32, update
from svp_core.models import Model
from svp_core.optimization import build_optimizer
from svp_core.seeds import derive


class BP(Method):
    """The baseline; its whole network is one local unit."""

    def __init__(self, model: Model, classes: int, recipe: dict, seed: int):
        super().__init__(recipe)
        self.blocks = nn.Sequential(*model.blocks)
        self.reduce = model.reduce
        self.head = head(model.widths[-1], classes, seed)
        self.optimizers = [build_optimizer(self.parameters(), recipe)]

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        (logits,) = self.predict(images)
        loss = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        loss.backward()
        update(self.optimizers[0])
        return loss.detach()[None]

    def predict(self, images: Tensor) -> list[Tensor]:
        with self.autocast(images.device):
            logits = self.head(self.reduce(self.blocks(images)))
        return [at_least_float32(logits)]


def head(width: int, classes: int, seed: int) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "head"))
        return nn.Linear(width, classes)


def build(model: Model, classes: int, options: dict, recipe: dict, seed: int) -> BP:
    return BP(model, classes, recipe, seed)
