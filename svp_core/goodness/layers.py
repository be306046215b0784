"""Dense layers trained by goodness, g = sum of squares of an activation, of images with a label.

The first K pixels of an image are replaced by a one-hot label. What a layer is given, the image
too, is divided by its root mean square, so that goodness tells nothing to the next layer.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.goodness.options import GoodnessOptions
from svp_core.methods import Method, Predictions, at_least_float32, update
from svp_core.models import Model
from svp_core.task import Task

EPSILON = 1e-8


class FullGradientReLU(torch.autograd.Function):
    """max(0, x), whose backward pass is that of x."""

    @staticmethod
    def forward(ctx, inputs: Tensor) -> Tensor:
        return inputs.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient


class Goodness(Method):
    """Layers with an optimiser each, and a probe; a subclass says what a layer minimises."""

    def __init__(self, model: Model, task: Task, options: GoodnessOptions, recipe, seed: int):
        super().__init__(recipe)
        self.blocks, self.options, self.classes = model.blocks, options, task.classes
        self.layers = [one for one in self.blocks.modules() if isinstance(one, nn.Linear)]
        for layer in self.layers:
            spread(layer)
        self.probe = nn.Linear(sum(model.widths[1:]), task.classes)
        nn.init.zeros_(self.probe.weight)
        nn.init.zeros_(self.probe.bias)
        self.optimizers = [self.optimizer(one.parameters()) for one in self.layers]
        of_probe = {"params": self.probe.parameters(), "factor": options.probe_rate}
        self.optimizers.append(self.optimizer([of_probe]))

    def local_loss(self, right: Tensor, wrong: Tensor, place: int) -> Tensor:
        """Return the loss of a layer, of its activations (B, d) for right and wrong labels."""
        raise NotImplementedError

    def step(self, images: Tensor, labels: Tensor) -> None:
        shift = torch.randint(1, self.classes, labels.shape, device=labels.device)
        pairs = [self.labelled(images, y) for y in (labels, (labels + shift) % self.classes)]
        hidden, losses = normalised(torch.cat(pairs)), []
        for place, layer in enumerate(self.layers):
            activation = self.activate(layer, hidden)
            loss = self.local_loss(*activation.chunk(2), place)
            loss.backward()
            update(self.optimizers[place])
            losses.append(loss.detach())
            hidden = normalised(activation.detach())
        self.learn_to_read(images, labels)
        self.add("unit_loss", torch.stack(losses))

    def learn_to_read(self, images: Tensor, labels: Tensor) -> None:
        """Train the probe on the layers as they are; no gradient reaches them."""
        with torch.no_grad():
            features = self.seen(self.features(images))
        loss = self.loss(self.probe(features), labels)
        loss.backward()
        update(self.optimizers[-1])

    def activate(self, layer: nn.Linear, hidden: Tensor) -> Tensor:
        """Return the activation (B, d) of a layer."""
        with self.autocast(hidden.device):
            return at_least_float32(FullGradientReLU.apply(layer(hidden)))

    def labelled(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Return flat images (B, pixels) with these labels (B,), or with the neutral one."""
        flat = images.flatten(1).clone()
        if labels is None:
            flat[:, : self.classes] = self.options.label / self.classes
        else:
            flat[:, : self.classes] = self.options.label * F.one_hot(labels, self.classes)
        return flat

    def activations(self, flat: Tensor) -> list[Tensor]:
        """Return the activations (B, d) of all layers, of images with labels."""
        found, hidden = [], normalised(flat)
        for layer in self.layers:
            found.append(self.activate(layer, hidden))
            hidden = normalised(found[-1])
        return found

    def seen(self, features: list[Tensor]) -> Tensor:
        """Return what the probe reads."""
        return torch.cat([normalised(one) for one in features[1:]], dim=1)

    def predict(self, images: Tensor) -> Predictions:
        goodness = self.goodness(images)
        units = [one.log_softmax(dim=1) for one in goodness]
        rules = {
            "probe": self.probe(self.seen(self.features(images))).log_softmax(dim=1),
            "goodness": sum(goodness[1:]).log_softmax(dim=1),
        }
        return Predictions(units, rules[self.options.inference], rules)

    def goodness(self, images: Tensor) -> list[Tensor]:
        """Return g (B, K) of every layer with every label."""
        every = torch.arange(self.classes, device=images.device)
        found = [
            torch.stack([a.square().sum(dim=1) for a in self.activations(flat)])
            for flat in (self.labelled(images, label.expand(len(images))) for label in every)
        ]
        return list(torch.stack(found, dim=2))

    def features(self, images: Tensor) -> list[Tensor]:
        return self.activations(self.labelled(images, None))


def normalised(activation: Tensor) -> Tensor:
    """Return rows (B, d) divided by their root mean square."""
    return activation / (activation.square().mean(dim=1, keepdim=True).sqrt() + EPSILON)


@torch.no_grad()
def spread(layer: nn.Linear) -> None:
    """Scale the weights to a standard deviation of 1/sqrt(outputs); set the biases to 0."""
    layer.weight.mul_(layer.out_features**-0.5 / layer.weight.std())
    layer.bias.zero_()
