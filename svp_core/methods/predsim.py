"""Local loss (predsim): every unit predicts the class and makes images of a class similar.

Nokland & Eidnes 2019 (arXiv 1901.06656). Unit i minimises w L_sim + (1 - w) CE of its activation
h: CE of a linear head on the pooled h, L_sim the squared difference between cosine similarities
of the images of a micro-batch and those of their labels. Its input is detached, and it is updated
before the next unit runs; pairs of images never leave their micro-batch.

What differs from the authors: a unit is block(s) of the suite's models, whose pooling, norm,
shortcut and ReLU stand before the loss (theirs: pooling after it, LeakyReLU for sim, every
convolution of a ResNet a unit) and which have no dropout. They predict by one more linear layer,
trained by CE on the last h as a constant; here `sim` gives every unit such a layer, on the
pooled h, and `pred` and `predsim` predict by the heads they train with. Inferred: tokens are
compared by their std over tokens after a linear layer, and their head sees phi(h).
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.config.options import choice, declared, integer, like, number
from svp_core.config.run import MethodOptions
from svp_core.local.making import grouped, inference_rules
from svp_core.local.unit import Reading
from svp_core.methods import Layer, at_least_float32
from svp_core.methods.bp import head
from svp_core.methods.svp import SVP
from svp_core.models import Model
from svp_core.seeds import derive
from svp_core.shapes import shapes
from svp_core.task import Task

OF_SVP = declared("methods", "svp")


class Options(MethodOptions):
    """The local loss, what its heads see, and the units."""

    loss: str = choice(
        "predsim", "pred", "sim",
        meaning="of a unit: both, the cross-entropy of its head, or the similarity loss, beside"
        " which a head of constant features predicts",
    )  # fmt: skip
    sim_weight: float = number(
        0.99, "w, weight of the similarity in predsim; 1 - w is that of pred", above=0, below=1
    )
    pool_features: int = integer(
        2048,
        "most features that the head sees of a map, averaged over cells that double in height and"
        " width by turns until they are as few, or one a channel",
        at_least=1,
    )
    blocks: int = like(OF_SVP, "blocks")
    update: str = like(OF_SVP, "update")
    inference: str = choice(
        "last", "mean", meaning="prediction of the last unit, or the mean of all log-posteriors"
    )
    has_unit_rates = True
    overlap, own_weight = 0, 1.0  # no options: how far svp lets losses reach

    def refuse(self, run):
        depth = run.model.block_count
        if depth and self.blocks > depth:
            yield f"blocks: {self.blocks} exceeds depth {depth}"
        if self.loss != "predsim" and self.sim_weight != 0.99:
            yield f"sim_weight: of the loss predsim alone, here {self.loss}; leave 0.99"
        if self.loss != "pred" and run.recipe.batch_size == run.recipe.micro_batches:
            yield f"loss: {self.loss} compares the images of a micro-batch, here one"


class PredSim(SVP):
    """Units and sweeps of svp with another loss; `readouts` are the heads."""

    def read(
        self, index: int, hidden: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor, Reading]:
        """Return h of a unit, and phi(h), what is compared and the logits of its head."""
        with self.autocast(hidden.device):
            output, features, compared = self.units[index](hidden)
            seen = output.detach() if self.options.loss == "sim" else output
            logits = self.readouts[index](seen)
        return output, Reading(*map(at_least_float32, (features, compared, logits)))

    def local_loss(
        self, reading: Reading, previous: Reading | None, labels: Tensor, index: int = -1
    ) -> Tensor:
        """Return the loss of one unit on a micro-batch; its neighbours play no part."""
        of_prediction = self.loss(reading.logits, labels)
        if self.options.loss == "pred":
            return of_prediction
        classes = reading.logits.shape[1]
        of_similarity = similarity_loss(reading.projected, labels, classes)
        if self.options.loss == "sim":
            return of_similarity + of_prediction  # which trains the head alone
        return torch.lerp(of_prediction, of_similarity, self.options.sim_weight)

    def layers(self, images: Tensor) -> list[Layer]:
        return [one._replace(projected=None) for one in super().layers(images)]

    def weight(self, index: int, reading: Reading) -> Tensor | None:
        """Return that of the head, where it sees phi(h)."""
        linear = self.readouts[index].linear
        if linear.in_features != reading.features.shape[1]:
            return None
        sees_it = torch.allclose(linear(reading.features), reading.logits, rtol=1e-3, atol=1e-3)
        return linear.weight if sees_it else None

    def gradients(self, images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
        for unit in self.units:
            unit.training = True  # itself, not its blocks: it compares only then
        found = super().gradients(images, labels)
        for unit in self.units:
            unit.training = self.training
        return found


def similarity_loss(compared: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return the mean of (S - T)^2 over all pairs of images, for features (B, c) and labels (B,).

    S holds the cosine similarities of rows, each less its own mean; T those of one-hot labels.
    """
    rows = compared - compared.mean(dim=1, keepdim=True)
    rows = rows / (torch.linalg.vector_norm(rows, dim=1, keepdim=True) + 1e-8)
    is_same = (labels[:, None] == labels).to(rows.dtype)
    target = (is_same * classes - 1) / (classes - 1)  # 1 for a class, -1 / (K - 1) between two
    return F.mse_loss((rows @ rows.T).clamp(-1, 1), target)


class Unit(nn.Module):
    """Blocks and, unless the loss is pred, what compares their last activation."""

    auxiliary = neurons = None

    def __init__(
        self, blocks: list[nn.Module], reduce: Callable[[Tensor], Tensor], compare: nn.Module | None
    ):
        super().__init__()
        self.blocks, self.reduce, self.compare = nn.Sequential(*blocks), reduce, compare

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return h, phi(h) (B, d_i) and what is compared (B, c): phi(h) where nothing is."""
        hidden = self.blocks(hidden)
        features = self.reduce(hidden)
        compares = self.training and self.compare is not None
        return hidden, features, self.compare(hidden) if compares else features


class Compared(nn.Module):
    """h -> (B, c): a trained 3x3 convolution of maps, a linear layer of others, then statistics.

    With more than 3 channels these are the unbiased std over all places, else all there is.
    """

    def __init__(self, shape: torch.Size):
        super().__init__()
        is_map = len(shape) == 3  # (C, H, W); tokens are (T, d)
        width = shape[0] if is_map else shape[-1]
        self.layer = (
            nn.Conv2d(width, width, 3, padding=1, bias=False)
            if is_map
            else nn.Linear(width, width, bias=False)
        )
        has_places = len(shape) > 1 and shape[1 if is_map else 0] > 1
        self.places = ((2, 3) if is_map else (1,)) if has_places and width > 3 else ()

    def forward(self, hidden: Tensor) -> Tensor:
        found = at_least_float32(self.layer(hidden))  # like the statistics of a norm
        return found.std(dim=self.places) if self.places else found.flatten(1)


class Head(nn.Module):
    """h -> class logits (B, K): pooled to (B, width), then linear; all weights are 0 at first."""

    def __init__(self, pool: Callable[[Tensor], Tensor], width: int, classes: int, seed: int):
        super().__init__()
        self.pool, self.linear = pool, head(width, classes, seed)
        nn.init.zeros_(self.linear.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.linear(self.pool(hidden))


def cells(shape: tuple[int, int, int], limit: int) -> tuple[tuple[int, int], int]:
    """Return the cells (height, width) that a map (C, H, W) is averaged over, and the features.

    Their height and width double by turns, the height first, until C H' W' <= limit or H' W' = 1.
    """
    channels, height, width = shape
    cell, turn = [1, 1], 0
    while True:
        places = -(-height // cell[0]) * -(-width // cell[1])
        if channels * places <= limit or places == 1:
            return (cell[0], cell[1]), channels * places
        cell[turn] *= 2
        turn = 1 - turn


def averages(hidden: Tensor, cell: tuple[int, int]) -> Tensor:
    """(B, C, H, W) -> (B, C H' W'); a cell at the border averages what it holds."""
    if cell == (1, 1):
        return hidden.flatten(1)
    return F.avg_pool2d(hidden, cell, ceil_mode=True, count_include_pad=False).flatten(1)


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> PredSim:
    """Group the model's blocks into units; draw what compares, and the biases of the heads."""
    blocks, known = list(model.blocks), shapes(model, task.image_shape)
    units, heads = [], []
    for group in grouped(len(blocks), options.blocks):
        start, last = group[0], group[-1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "compared", start))
            compare = None if options.loss == "pred" else Compared(known[last])
        units.append(Unit([blocks[i] for i in group], model.reduce, compare))
        pool, width = model.reduce, model.widths[last]
        if len(known[last]) == 3:
            cell, width = cells(tuple(known[last]), options.pool_features)
            pool = partial(averages, cell=cell)
        heads.append(Head(pool, width, task.classes, derive(seed, "head", start)))
    rules = inference_rules([], task, options)
    return PredSim(units, heads, [], rules, options, recipe)
