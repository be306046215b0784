"""SoftHebb: layers learn without labels, their neurons competing for what they are shown.

Journe et al. 2023 (arXiv 2209.11883). Of u = w x, at every place of a map, the neurons have a
share y = softmax(beta u); all but the largest are made negative. dw = sum y (x - u w), over images
and places, is divided by the layer's largest |dw|, and its rate is that of the layers times
sqrt(| |w| - 1 |) of the neuron, which ends where weights have the length 1. x is normalised by
batch statistics, without gain; the layer passes on max(0, u - mean u)^p, the mean over neurons,
and then its block's pooling. No labels, errors or weights travel; a layer is updated before the
next one runs, and nothing backpropagates. A linear head learns from the last layer as it is.

Defined for cnn, mlp and vgg. As in the authors' code: the negative losers, the normalised dw, the
rate of a neuron, weights of the length 25 at first. What differs: kernels, padding, pools and
widths are the model's, and so are the seed's weights, scaled; there is no bias; layers and head
learn together in all epochs (theirs: an epoch of layers alone, then 50 of the head with dropout),
rate, beta and p are the same in all layers, and plain steps follow dw, whatever trains the head.
"""

import torch
from torch import Tensor, nn, optim

from svp_core.config.options import number
from svp_core.config.run import MethodOptions
from svp_core.methods import Method, Predictions, at_least_float32, update
from svp_core.methods.bp import head
from svp_core.models import Model
from svp_core.task import Task


class Options(MethodOptions):
    """How neurons compete, and how fast they learn."""

    models = ("cnn", "mlp", "vgg")
    blocks = 1  # no option: how many blocks one rule trains
    sharpness: float = number(1.0, "beta, factor of u in the competition", above=0)
    power: float = number(1.0, "p, of the activation", above=0)
    hebbian_rate: float = number(30.0, "learning rate of the layers, over the recipe's", above=0)
    length: float = number(25.0, "length of a neuron's weights at first", above=0)

    def refuse(self, run):
        if run.recipe.micro_batches > 1:
            yield "sharpness: a layer learns from a batch as a whole; set recipe.micro_batches to 1"
        if run.recipe.batch_size == 1:
            yield "sharpness: batch norm compares the images of a batch, here one"


class Competing(nn.Module):
    """The dense layer or convolution of a block, what normalises its input, and the pooling."""

    def __init__(self, block: nn.Module, options: Options):
        super().__init__()
        (self.layer,) = (one for one in block if isinstance(one, nn.Linear | nn.Conv2d))
        self.is_dense = isinstance(self.layer, nn.Linear)
        self.norm = (
            nn.BatchNorm1d(self.layer.in_features, affine=False)
            if self.is_dense
            else nn.BatchNorm2d(self.layer.in_channels, affine=False)
        )
        self.pool = nn.Sequential(*(one for one in block if isinstance(one, nn.MaxPool2d)))
        self.options = options
        with torch.no_grad():
            weight = self.layer.weight
            weight.mul_(options.length / (weight[0].numel() ** 0.5 * weight.std()))
            if self.layer.bias is not None:
                self.layer.bias.zero_().requires_grad_(False)

    def drive(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalised input x and u, of neurons in dimension 1."""
        inputs = self.norm(hidden.flatten(1) if self.is_dense else hidden)
        return inputs, self.layer(inputs)

    def activate(self, drive: Tensor) -> Tensor:
        """Return what the block passes on."""
        active = (drive - drive.mean(dim=1, keepdim=True)).relu()
        return self.pool(active if self.options.power == 1 else active**self.options.power)

    def change(self, inputs: Tensor, drive: Tensor) -> Tensor:
        """Return dw, normalised, times the part of its rate that is a neuron's own."""
        share, weight = (self.options.sharpness * drive).softmax(dim=1), self.layer.weight
        wins = share == share.amax(dim=1, keepdim=True)
        share = torch.where(wins, share, -share)
        if self.is_dense:
            seen, forgotten = share.T @ inputs, (share * drive).sum(dim=0)
        else:
            shape = self.layer.stride, self.layer.padding, self.layer.dilation, self.layer.groups
            seen = nn.grad.conv2d_weight(inputs, weight.shape, share, *shape)
            forgotten = (share * drive).sum(dim=(0, 2, 3))
        column = (-1, *[1] * (weight.dim() - 1))
        found = seen - forgotten.view(column) * weight
        lengths = torch.linalg.vector_norm(weight.flatten(1), dim=1)
        own = (lengths - 1).abs().sqrt().view(column)
        return own * found / found.abs().max().clamp(min=torch.finfo(found.dtype).tiny)


class SoftHebb(Method):
    """Layers that compete, each with plain steps of its own, and a head with the recipe's."""

    def __init__(self, model: Model, task: Task, options: Options, recipe, seed: int):
        super().__init__(recipe)
        self.reduce = model.reduce
        self.stack = nn.ModuleList(Competing(block, options) for block in model.blocks)
        self.head = head(model.widths[-1], task.classes, seed)
        rate = options.hebbian_rate
        groups = ({"params": one.layer.weight, "factor": rate} for one in self.stack)
        self.optimizers = [optim.SGD([one], lr=rate * recipe.lr, fused=True) for one in groups]
        self.optimizers.append(self.optimizer(self.head.parameters()))

    def step(self, images: Tensor, labels: Tensor) -> None:
        with torch.no_grad():
            hidden = images
            for place, one in enumerate(self.stack):
                inputs, drive = self.drive(one, hidden)
                weight = one.layer.weight  # whose memory layout a fused step expects
                weight.grad = torch.zeros_like(weight).sub_(one.change(inputs, drive))
                update(self.optimizers[place])
                hidden = one.activate(drive)
        loss = self.loss(self.head(self.reduce(hidden)), labels)
        loss.backward()
        update(self.optimizers[-1])
        self.add("unit_loss", loss.detach()[None])

    def drive(self, one: Competing, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return x and u of a layer, as rule and activation need them."""
        with self.autocast(hidden.device):
            return tuple(map(at_least_float32, one.drive(hidden)))

    def predict(self, images: Tensor) -> Predictions:
        posterior = self.head(self.features(images)[-1]).log_softmax(dim=1)
        return Predictions([posterior], posterior)

    def features(self, images: Tensor) -> list[Tensor]:
        found, hidden = [], images
        for one in self.stack:
            hidden = one.activate(self.drive(one, hidden)[1])
            found.append(self.reduce(hidden))
        return found

    def layer_blocks(self) -> list[nn.Module]:
        return list(self.stack)


build = SoftHebb
