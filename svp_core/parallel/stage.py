"""The units of one rank: trained like those of SVP, on what arrives, which they send on."""

import signal
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn, optim

from svp_core import local
from svp_core.config.pairs import ConfigError
from svp_core.local import inside
from svp_core.local.unit import Reading
from svp_core.methods import Layer, Method, Predictions, update
from svp_core.methods.svp import SVP
from svp_core.parallel.link import Sender
from svp_core.parallel.ranks import Ranks
from svp_core.runtime import interruption

SAVE = -1  # an order, beside the numbers of signals; 0 is none


class Batch(NamedTuple):
    """A training batch between two units, lists of its micro-batches."""

    order: Tensor  # (1,) on the CPU: what all ranks do after this step
    labels: list[Tensor]
    hidden: list[Tensor]
    previous: list[Reading | None]  # of it what the alignment needs
    shown: list[list[Tensor]]  # v of all units before, if the last rank learns from them


class Passed(NamedTuple):
    """Test images between two units, and what the units before have read from them."""

    labels: Tensor
    hidden: Tensor
    readings: list[Reading]
    layers: list[Layer]


class Elsewhere(nn.Module):
    """Stands for a unit, or what belongs to it, that another rank has."""

    auxiliary = neurons = None


class Stage(Method):
    """Consecutive units of a network; `whole` has nothing else."""

    def __init__(self, whole: SVP, span: range, ranks: Ranks, sender: Sender | None):
        super().__init__(whole.recipe)
        self.span, self.ranks, self.sender = span, ranks, sender
        self.decide: Callable[[], int] = lambda: 0  # the order of a step, at the first rank
        self.order, self.is_known = 0, False
        self.keeps_shown = bool(whole.observers)
        self.reads = reads(whole)
        self.whole = kept(whole, span, ranks.is_last)
        self.optimizers = whole.optimizers

    def step(self, images: Tensor | Batch, labels: Tensor) -> None:
        draws = None if self.is_known else torch.get_rng_state()
        batch = self.arrived(images, labels)
        units = zip(self.span, self.optimizers, strict=True)
        self.add("unit_loss", torch.stack([self.train_unit(*unit, batch) for unit in units]))
        if self.ranks.is_last:
            self.whole.conclude(batch.shown, batch.previous, batch.labels)
        self.order = int(batch.order)
        if self.order > 0:  # now, at the same step, every rank is interrupted
            interruption.received.append(signal.Signals(self.order).name)
        if draws is not None:
            self.refuse_draws(draws)

    def train_unit(self, index: int, optimizer: optim.Optimizer, batch: Batch) -> Tensor:
        """Train a unit on a batch, which it moves on; return the mean loss. Steps are SVP's."""
        _, labels, hidden, previous, shown = batch
        shares, train = [], self.train_fast if self.whole.fast else self.train_plain
        for place, known in enumerate(labels):
            hidden[place], previous[place], share = train(
                index, hidden[place], previous[place], known
            )
            shares.append(share)
            if self.keeps_shown:
                shown[place].append(previous[place].projected)
        if index == self.span[-1]:
            self.send(batch)
        update(optimizer)
        return sum(shares[1:], start=shares[0])

    @torch.no_grad()
    def train_fast(
        self, index: int, hidden: Tensor, previous: Reading | None, labels: Tensor
    ) -> tuple[Tensor, Reading, Tensor]:
        """Do what `train_plain` does, in closed form."""
        fast = self.whole.fast
        targets = fast.targets(labels, next(self.whole.units[index].parameters()).dtype)
        return fast.train(index, hidden, previous, labels, targets)

    def train_plain(
        self, index: int, hidden: Tensor, previous: Reading | None, labels: Tensor
    ) -> tuple[Tensor, Reading, Tensor]:
        """Add a unit's gradients; return its activation, its reading, its share of the loss."""
        output, reading = self.whole.read(index, hidden, labels)
        loss = self.whole.local_loss(reading, previous, labels, index)
        return output.detach(), reading.detach(), self.whole.accumulate(loss)

    def arrived(self, images: Tensor | Batch, labels: Tensor) -> Batch:
        """Return the batch as it comes to these units."""
        if isinstance(images, Batch):
            return images
        hidden, known = (list(one.chunk(self.micro_batches)) for one in (images, labels))
        nothing = [None] * len(hidden), [[] for _ in hidden]
        return Batch(torch.tensor([self.decide()]), known, hidden, *nothing)

    def send(self, batch: Batch) -> None:
        """Send to the next rank what its units need."""
        if self.sender:
            previous = [self.needed(one) for one in batch.previous]
            self.sender.send(batch._replace(previous=previous))

    def needed(self, reading: Reading) -> Reading | None:
        """Return the reading with what an alignment compares, None for the rest."""
        one = Reading(*(getattr(reading, key) if key in self.reads else None for key in NAMES))
        return one if self.reads else None

    def refuse_draws(self, before: Tensor) -> None:
        """Raise ConfigError if the first step has drawn random numbers: ranks cannot share them."""
        self.is_known = True
        if not torch.equal(before, torch.get_rng_state()):
            raise ConfigError(
                f"--parallel pipeline: units {self.span.start + 1} to {self.span.stop} draw random"
                " numbers, as dropout does; ranks would draw others than one process"
            )

    def drain(self) -> dict[str, Tensor]:
        """Return the sums of all ranks, at every rank."""
        if self.sender:
            self.sender.wait()
        found = self.ranks.all(super().drain())
        return {name: torch.cat([one[name] for one in found]) for name in found[0]}

    def onward(self, passed: Passed, is_inside: bool) -> Passed:
        """Return test images after these units; their layers as well, if these are asked for."""
        labels, hidden, readings, layers = passed
        for index in self.span:
            hidden, reading = self.whole.read(index, hidden)
            if is_inside:
                before = readings[-1] if readings else None
                layers = [*layers, self.layer(index, reading, before)]
            else:
                reading = reading._replace(features=None)  # which no rule of inference sees
            readings = [*readings, reading]
        return Passed(labels, hidden, readings, layers)

    def layer(self, index: int, reading: Reading, before: Reading | None) -> Layer:
        """Return what there is at the end of a unit, as of SVP."""
        aligned = self.whole.alignments[index] if self.whole.alignments else None
        return Layer(
            *(reading.features, reading.projected, reading.logits.log_softmax(dim=1)),
            weight=self.whole.weight(index, reading),
            divergence=inside.divergence(aligned, reading, before),
        )

    def predict(self, images: Passed) -> Predictions:
        """Return the predictions of test images that have arrived at the last rank."""
        readings = self.onward(images, is_inside=False).readings
        rules = {name: rule(readings) for name, rule in self.whole.rules.items()}
        units = [one.logits.log_softmax(dim=1) for one in readings]
        return Predictions(units, rules[self.whole.options.inference], rules)

    def layers(self, images: Passed) -> list[Layer]:
        return self.onward(images, is_inside=True).layers

    def state(self) -> dict:
        """Return the part of these units in the state of the whole network."""
        return super().state() | {"modules": self.whole.state_dict()}

    def load_state(self, state: dict) -> None:
        """Continue from such a part."""
        super().load_state(
            state | {"modules": {f"whole.{key}": one for key, one in state["modules"].items()}}
        )


NAMES = Reading._fields


def reads(whole: SVP) -> tuple[str, ...]:
    """Return what alignments compare of the reading before, none where nothing is aligned."""
    if not whole.alignments:
        return ()
    file = local.load("alignments", whole.options.alignment)
    return (file.BY,) if hasattr(file, "BY") else NAMES


def kept(whole: SVP, span: range, is_last: bool) -> SVP:
    """Return the method without the units of other ranks; rules of inference are the last one's."""
    for index in range(len(whole.units)):
        if index not in span:
            whole.units[index], whole.readouts[index] = Elsewhere(), Elsewhere()
            if whole.with_state:
                whole.with_state[index] = Elsewhere()
    if whole.fast:
        whole.fast.keep(span)
    if whole.with_state:
        whole.alignments = list(whole.with_state)
    whole.optimizers, whole.own = (
        [one[index] for index in span] for one in (whole.optimizers, whole.own)
    )
    if not is_last:
        whole.rules, whole.observers = nn.ModuleDict(), []
    return whole
