"""Units that are trained by the loss of an auxiliary network; the last one's is the head of bp."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from svp_core.local.chain import Chain
from svp_core.local.making import grouped, inference_rules
from svp_core.local.unit import Reading
from svp_core.methods import at_least_float32, update
from svp_core.methods.bp import head
from svp_core.methods.predsim import Unit
from svp_core.methods.svp import SVP
from svp_core.models import Model
from svp_core.seeds import derive
from svp_core.shapes import shapes
from svp_core.task import Task


class Place(NamedTuple):
    """What a unit's auxiliary network is made for."""

    group: range  # places of its blocks
    shape: torch.Size  # of its activation, without the batch
    width: int  # d_i, features of phi
    seed: int


@dataclass
class Part:
    """A micro-batch on its way: what the next unit is given, and what it came from."""

    images: Tensor
    labels: Tensor
    hidden: Tensor
    gradient: Tensor | None = None  # of the last unit's loss by `hidden`, where a method wants it
    chain: Chain | None = None  # the units before, where later losses reach them


class Auxiliary(SVP):
    """Units and sweeps of svp; `readouts` are auxiliary networks, activation to logits."""

    def read(
        self, index: int, hidden: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor, Reading]:
        """Return h of a unit, and phi(h), twice, with the logits of its auxiliary network."""
        with self.autocast(hidden.device):
            output, features, _ = self.units[index](hidden)
            logits = self.readouts[index](output)
        features, logits = at_least_float32(features), at_least_float32(logits)
        return output, Reading(features, features, logits)


class Greedy(Auxiliary):
    """Units of which each has a loss of its own kind, and may reach others."""

    def step(self, images: Tensor, labels: Tensor) -> None:
        pairs = zip(images.chunk(self.micro_batches), labels.chunk(self.micro_batches), strict=True)
        parts = [Part(x, y, x) for x, y in pairs]
        losses = []
        for index in range(len(self.units)):
            shares = [self.train_unit(index, part) for part in parts]
            self.update_after(index)
            losses.append(sum(shares[1:], start=shares[0]))
        self.add("unit_loss", torch.stack(losses))

    def train_unit(self, index: int, part: Part) -> Tensor:
        """Add the gradients of a micro-batch, pass it on; return its share of the loss."""
        output, reading = self.read(index, part.hidden)
        share = self.accumulate(self.unit_loss(index, output, reading, part))
        part.hidden = output.detach()
        return share

    def unit_loss(self, index: int, output: Tensor, reading: Reading, part: Part) -> Tensor:
        """Return the loss of a unit: the cross-entropy of its auxiliary network."""
        return self.loss(reading.logits, part.labels)

    def update_after(self, index: int) -> None:
        """Update what has all of its gradients once a unit has had its turn: that unit."""
        update(self.optimizers[index])


class Head(nn.Module):
    """h -> class logits (B, K): phi, then one linear layer."""

    def __init__(self, see: Callable[[Tensor], Tensor], linear: nn.Module):
        super().__init__()
        self.see, self.linear = see, linear

    def forward(self, hidden: Tensor) -> Tensor:
        return self.linear(self.see(hidden))


def own_head(model: Model, task: Task, seed: int) -> nn.Module:
    """Return the head of the network, the same as of bp."""
    if model.head is not None:
        return model.head
    return Head(model.reduce, head(model.widths[-1], task.classes, seed))


def assembled(
    kind: type[Greedy],
    setting: tuple,
    auxiliary: Callable[[Place], nn.Module],
    last: Callable[[Place], nn.Module] | None = None,
    groups: Iterable[range] | None = None,
) -> Greedy:
    """Return a method of this kind; `setting` is what it was built with.

    `auxiliary` makes the network of a unit, and `last` that of the last one, by default bp's head;
    what they draw is the same for the same seed and place. Units are those of `options.blocks`.
    """
    model, task, options, recipe, seed = setting
    blocks, known = list(model.blocks), shapes(model, task.image_shape)
    groups = list(groups or grouped(len(blocks), options.blocks))
    last = last or (lambda place: own_head(model, task, seed))
    makes = [*[auxiliary] * (len(groups) - 1), last]
    units, networks = [], []
    for group, make in zip(groups, makes, strict=True):
        own, end = derive(seed, "auxiliary", group[0]), group[-1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(own)
            networks.append(make(Place(group, known[end], model.widths[end], own)))
        units.append(Unit([blocks[i] for i in group], model.reduce, None))
    return kind(units, networks, [], inference_rules([], task, options), options, recipe)
