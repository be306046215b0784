"""NoProp-DT: every network of a chain learns to denoise the label of an image, without the others.

Li, Teh & Pascanu 2025 (arXiv 2503.24322). With the one-hot u_y of the label and abar_t growing to
nearly 1, z_t ~ N(sqrt(abar_t) u_y, (1 - abar_t) I). Network t = 1..T guesses u_t(x, z_{t-1}), a mix
of the classes by softmax, and minimises T/2 eta (SNR_t - SNR_{t-1}) |u_t - u_y|^2, SNR = abar /
(1 - abar), of a z_{t-1} drawn from the label; a linear layer reads z_T. To predict, z_0 ~ N(0, I)
and z_t = a_t u_t + b_t z_{t-1} + sqrt(c_t) e, so that z_t has the law above where u_t is right.

Labels go to every network, with its input; nothing travels between networks in training, each is
updated before the next one runs. Within a network gradients backpropagate: network t is a copy of
all blocks of the model, then a dense layer of phi(h) and one of z. So there are T times the blocks,
and predictions take T passes; there is no network's own head.

Inferred: the cosine schedule abar_t = cos^2(pi/2 (1 - t/T + s) / (1 + s)), s = 0.008, so abar_0 = 0
and the KL of the paper is 0; how features and z meet, and how wide. What differs: all T learn from
a batch before the next batch (theirs: one after another, an epoch each); noise of predictions is
drawn once, the same for all images, and `noiseless` has none. Only one-hot classes are built.
"""

from math import cos, pi

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.config.options import choice, integer, number
from svp_core.config.run import MethodOptions
from svp_core.local.auxiliaries.fresh import fresh
from svp_core.methods import Method, Predictions, at_least_float32, update
from svp_core.models import Model
from svp_core.seeds import derive
from svp_core.task import Task

OFFSET = 0.008  # of the schedule: the last z keeps some noise


class Options(MethodOptions):
    """The chain, and how it predicts."""

    steps: int = integer(10, "T, networks of the chain, each with all blocks", at_least=1)
    mixing_width: int = integer(64, "neurons of the layers that z and phi(h) meet in", at_least=1)
    match_weight: float = number(0.1, "eta, weight of the guesses in the loss", above=0)
    inference: str = choice(
        "sampled", "noiseless", meaning="prediction with noise at every step, or with none"
    )


class Guess(nn.Module):
    """A network of the chain: the image and z (B, K) -> logits of u (B, K)."""

    def __init__(self, blocks: nn.Sequential, model: Model, classes: int, width: int):
        super().__init__()
        self.blocks, self.reduce = blocks, model.reduce
        self.embed = nn.Linear(classes, width)
        features = model.widths[-1]
        self.mix = nn.Sequential(
            nn.Linear(features + width, width), nn.ReLU(), nn.Linear(width, classes)
        )

    def features(self, images: Tensor) -> Tensor:
        """Return phi(h) (B, d)."""
        return self.reduce(self.blocks(images))

    def forward(self, features: Tensor, noisy: Tensor) -> Tensor:
        return self.mix(torch.cat([features, self.embed(noisy).relu()], dim=1))


class NoProp(Method):
    """T networks with an optimiser each, and what reads the end of the chain."""

    def __init__(self, model: Model, task: Task, options: Options, recipe, seed: int):
        super().__init__(recipe)
        self.options, self.classes = options, task.classes
        self.kept = schedule(options.steps)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "chain"))
            copies = [nn.Sequential(*model.blocks)] + [
                fresh(model.blocks, derive(seed, "chain", place))
                for place in range(1, options.steps)
            ]
            self.networks = nn.ModuleList(
                Guess(one, model, task.classes, options.mixing_width) for one in copies
            )
            self.head = nn.Linear(task.classes, task.classes)
            self.register_buffer("noise", torch.randn(options.steps + 1, task.classes))
        self.optimizers = [
            self.optimizer(list(one.parameters())) for one in (*self.networks, self.head)
        ]

    def step(self, images: Tensor, labels: Tensor) -> None:
        known = F.one_hot(labels, self.classes).to(images.dtype)
        losses = []
        for place in range(self.options.steps):
            noisy = self.drawn(known, place)
            parts = (one.chunk(self.micro_batches) for one in (images, noisy, known))
            found = [
                self.accumulate(self.network_loss(place, *part))
                for part in zip(*parts, strict=True)
            ]
            update(self.optimizers[place])
            losses.append(sum(found[1:], start=found[0]))
        self.learn_to_read(known, labels)
        self.add("unit_loss", torch.stack(losses))

    def drawn(self, known: Tensor, place: int) -> Tensor:
        """Return z_t (B, K), t being the place, of labels (B, K)."""
        kept = self.kept[place]
        return kept**0.5 * known + (1 - kept) ** 0.5 * torch.randn_like(known)

    def network_loss(self, place: int, images: Tensor, noisy: Tensor, known: Tensor) -> Tensor:
        """Return the loss of the network at a place of the chain."""
        network, (before, after) = self.networks[place], self.kept[place : place + 2]
        with self.autocast(images.device):
            logits = at_least_float32(network(network.features(images), noisy))
        missed = (logits.softmax(dim=1) - known).square().sum(dim=1).mean()
        growth = after / (1 - after) - before / (1 - before)
        return self.options.steps / 2 * self.options.match_weight * growth * missed

    def learn_to_read(self, known: Tensor, labels: Tensor) -> None:
        """Train the layer that reads z_T, of labels (B, K) and (B,)."""
        loss = self.loss(self.head(self.drawn(known, self.options.steps)), labels)
        loss.backward()
        update(self.optimizers[-1])
        self.add("readout_loss", loss.detach())

    def chain(self, features: list[Tensor], noise: Tensor) -> list[Tensor]:
        """Return log u_t (B, K) of all networks and, behind them, what is read of z_T."""
        noisy, found = noise[0].expand(len(features[0]), -1), []
        for place, network in enumerate(self.networks):
            logits = at_least_float32(network(features[place], noisy))
            found.append(logits.log_softmax(dim=1))
            guess, before, variance = moves(*self.kept[place : place + 2])
            noisy = guess * found[-1].exp() + before * noisy + variance**0.5 * noise[place + 1]
        return [*found, self.head(noisy).log_softmax(dim=1)]

    def predict(self, images: Tensor) -> Predictions:
        features = self.features(images)
        *units, sampled = self.chain(features, self.noise)
        rules = {
            "sampled": sampled,
            "noiseless": self.chain(features, torch.zeros_like(self.noise))[-1],
        }
        return Predictions(units, rules[self.options.inference], rules)

    def features(self, images: Tensor) -> list[Tensor]:
        with self.autocast(images.device):
            return [at_least_float32(one.features(images)) for one in self.networks]

    def layer_blocks(self) -> list[nn.Module]:
        return [one.blocks for one in self.networks]


def schedule(steps: int) -> list[float]:
    """Return abar_0 .. abar_T, the part of a label that z keeps, growing from 0."""
    places = (1 - step / steps for step in range(steps + 1))
    return [0.0] + [cos(pi / 2 * (place + OFFSET) / (1 + OFFSET)) ** 2 for place in places][1:]


def moves(before: float, after: float) -> tuple[float, float, float]:
    """Return a_t, b_t and c_t of abar_{t-1} and abar_t."""
    kept, rest = before / after, 1 - before
    return (
        after**0.5 * (1 - kept) / rest,
        kept**0.5 * (1 - after) / rest,
        (1 - after) * (1 - kept) / rest,
    )


build = NoProp
