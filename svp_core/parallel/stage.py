"""The units of one rank: trained like those of SVP, on what arrives, which they send on."""

import signal
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from svp_core import local
from svp_core.config.pairs import ConfigError
from svp_core.local import inside
from svp_core.local.step import Batch
from svp_core.local.unit import Reading
from svp_core.methods import Layer, Method, Predictions
from svp_core.methods.svp import SVP
from svp_core.parallel.link import Sender
from svp_core.parallel.ranks import Ranks
from svp_core.runtime import interruption

SAVE = -1  # an order, beside the numbers of signals; 0 is none


class Message(NamedTuple):
    """A training batch between two ranks, of its readings what the alignment needs."""

    order: Tensor  # (1,) on the CPU: what all ranks do after this step
    batch: Batch


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
        self.reads = reads(whole)
        self.whole = kept(whole, span, ranks.is_last)
        self.optimizers = [whole.optimizers[index] for index in span]

    def step(self, images: Tensor | Message, labels: Tensor) -> None:
        draws = None if self.is_known else self.random_state()
        order, batch = self.arrived(images, labels)
        send = partial(self.send, order) if self.sender else None
        self.add("unit_loss", self.whole.step_kind.sweep(batch, self.span, send))
        if self.ranks.is_last:
            self.whole.conclude(batch)
        self.order = int(order)
        if self.order > 0:  # now, at the same step, every rank is interrupted
            interruption.received.append(signal.Signals(self.order).name)
        if draws is not None:
            self.refuse_draws(draws)

    def arrived(self, images: Tensor | Message, labels: Tensor) -> Message:
        """Return the batch as it comes to these units."""
        if isinstance(images, Message):
            return images
        return Message(torch.tensor([self.decide()]), self.whole.step_kind.begin(images, labels))

    def send(self, order: Tensor, batch: Batch) -> None:
        """Send to the next rank what its units need."""
        previous = [self.needed(one) for one in batch.previous]
        self.sender.send(Message(order, batch._replace(previous=previous)))

    def needed(self, reading: Reading) -> Reading | None:
        """Return the reading with what an alignment compares, None for the rest."""
        one = Reading(*(getattr(reading, key) if key in self.reads else None for key in NAMES))
        return one if self.reads else None

    def random_state(self) -> Tensor:
        """Return where the random numbers of a step have come to, on the device too."""
        device = next(self.parameters()).device
        here = torch.get_rng_state()
        there = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
        return torch.cat([here, *there])

    def refuse_draws(self, before: Tensor) -> None:
        """Raise ConfigError if the first step has drawn random numbers: ranks cannot share them."""
        self.is_known = True
        if not torch.equal(before, self.random_state()):
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
    whole.own = [whole.own[index] for index in span]
    whole.optimizers = [
        one if index in span else None for index, one in enumerate(whole.optimizers)
    ]
    if not is_last:
        whole.rules, whole.observers = nn.ModuleDict(), []
    return whole
