"""HPFF: losses of single units and of pairs of neighbours, read from patches of maps.

Su et al. 2024 (arXiv 2407.05638). Unit i has a head of its own and one for the pair of i - 1 and
i. It minimises w CE(own head of h_i), w = 0.001, and 1 - w times the losses of its two pairs: of
CE(pair's head of h_i) the gradient goes through i and i - 1 and no further. Heads (DGL's mlp-sr)
see p x p patches of a map one by one, and their logits are averaged; maps whose sides p does not
divide are seen whole. Labels go to every unit, errors from a unit to the one before, no weights; a
unit is updated when the next one has had its turn, so two are alive.

Inferred: own and pair's head of the last unit are the head of the network. The authors run a pair's
units again for its loss, here its gradient takes the activations that are there: the same numbers
but for the statistics of norms, which see a batch once.
"""

import torch
from torch import Tensor, nn

from svp_core.config.options import integer, number
from svp_core.greedy import networks
from svp_core.greedy.options import GreedyOptions
from svp_core.greedy.units import Greedy, Part, Place, assembled
from svp_core.local.chain import Chain
from svp_core.methods import update
from svp_core.models import Model
from svp_core.task import Task


class Options(GreedyOptions):
    """What the losses weigh, and what heads see."""

    models = ("cnn", "resnet", "vgg")
    single_weight: float = number(
        0.001, "w, of a unit's own loss; 1 - w is that of a pair's", at_least=0, below=1
    )
    patches: int = integer(2, "p, patches a side of a map", at_least=1)
    overlap = 1  # no option: a pair

    def refuse(self, run):
        yield from super().refuse(run)
        depth = run.model.block_count
        if depth and self.blocks == depth:
            yield f"blocks: {self.blocks} make one unit, and no pair"
        if run.recipe.batch_size == run.recipe.micro_batches:
            yield "patches: batch norm of dense layers compares images of a micro-batch, here one"


class HPFF(Greedy):
    """Units whose losses reach one unit back."""

    def give_pairs(self, heads: list[nn.Module]) -> None:
        """Take the heads of the pairs that end at the second unit and later ones."""
        self.pairs = nn.ModuleList(heads)
        for index, head in enumerate(self.pairs[:-1], start=1):
            self.own[index] += head.parameters()
        self.optimizers = self.unit_optimizers(self.own)

    def train_unit(self, index: int, part: Part) -> Tensor:
        part.chain = part.chain or Chain(overlap=1)
        is_last = index == len(self.units) - 1
        weight = self.options.single_weight
        output, reading = self.read(index, part.hidden)
        own = weight * self.loss(reading.logits, part.labels)
        share = torch.zeros_like(own)
        if index:
            with self.autocast(output.device):
                logits = self.pairs[index - 1](output)
            pair = (1 - weight) * self.loss(logits.to(own.dtype), part.labels)
            share = self.accumulate(pair, keep=True)
            part.chain.backward(part.hidden)
        trained = [*self.units[index].parameters(), *self.readouts[index].parameters()]
        own = own / self.micro_batches
        own.backward(retain_graph=not is_last, inputs=trained)  # not of what the unit was given
        part.hidden = part.chain.append(part.hidden, self.units[index].blocks, output)
        return share + own.detach()

    def update_after(self, index: int) -> None:
        """Update the unit before, which has the gradients of both of its pairs, and the last."""
        if index:
            update(self.optimizers[index - 1])
        if index == len(self.units) - 1:
            update(self.optimizers[index])


class Patched(nn.Module):
    """h -> class logits (B, K): the mean of those of p x p patches of a map."""

    def __init__(self, patches: int, network: nn.Module):
        super().__init__()
        self.patches, self.network = patches, network

    def forward(self, hidden: Tensor) -> Tensor:
        parts = [
            self.network(patch)
            for row in hidden.chunk(self.patches, dim=2)
            for patch in row.chunk(self.patches, dim=3)
        ]
        return torch.stack(parts).mean(dim=0)


def patched(at: Place, patches: int, classes: int) -> nn.Module:
    """Return a head of an activation."""
    if len(at.shape) < 3 or any(side % patches for side in at.shape[1:]):
        return networks.mlp_sr(at.shape, classes)
    channels, height, width = at.shape
    of_patch = torch.Size([channels, height // patches, width // patches])
    return Patched(patches, networks.mlp_sr(of_patch, classes))


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> HPFF:
    """Group the model's blocks into units; draw own heads, and those of pairs."""
    pairs = []

    def heads(at: Place) -> nn.Module:
        own, pair = (patched(at, options.patches, task.classes) for _ in range(2))
        pairs.append(pair)
        return own

    made = assembled(HPFF, (model, task, options, recipe, seed), heads)
    made.give_pairs([*pairs[1:], made.readouts[-1]])
    return made
