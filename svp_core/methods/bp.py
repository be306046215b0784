"""Backpropagation: one loss of one trainable linear head, one backward pass through all blocks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.methods import Method, at_least_float32, update
from svp_core.models import Model
from svp_core.recipe import build_optimizer
from svp_core.runtime import activation_checkpointing
from svp_core.seeds import derive


class BP(Method):
    """The baseline; its whole network is one local unit."""

    def __init__(self, model: Model, classes: int, options: dict, recipe: dict, seed: int):
        super().__init__(recipe)
        self.blocks = nn.Sequential(*model.blocks)
        self.segments = activation_checkpointing.segments(
            list(model.blocks), options["activation_checkpointing"]
        )
        self.reduce = model.reduce
        self.head = head(model.widths[-1], classes, seed)
        self.is_fused = options["update"] == "fused"
        groups = [[one] for one in self.parameters()] if self.is_fused else [self.parameters()]
        self.optimizers = [build_optimizer(group, recipe) for group in groups]
        if self.is_fused:
            for parameter, optimizer in zip(self.parameters(), self.optimizers, strict=True):
                parameter.register_post_accumulate_grad_hook(lambda _, own=optimizer: update(own))

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        parts = zip(images.chunk(self.micro_batches), labels.chunk(self.micro_batches), strict=True)
        shares = [self.accumulate(self.loss(*part)) for part in parts]
        if not self.is_fused:
            update(self.optimizers[0])
        return sum(shares[1:], start=shares[0])[None]

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        (logits,) = self.predict(images)
        return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)

    def predict(self, images: Tensor) -> list[Tensor]:
        with self.autocast(images.device):
            hidden = activation_checkpointing.run(self.segments, images)
            logits = self.head(self.reduce(hidden))
        return [at_least_float32(logits)]


def head(width: int, classes: int, seed: int) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "head"))
        return nn.Linear(width, classes)


def build(model: Model, classes: int, options: dict, recipe: dict, seed: int) -> BP:
    return BP(model, classes, options, recipe, seed)
