"""InfoPro: early units shall keep what tells of the image, not only what tells the class now.

Wang et al. 2021 (arXiv 2101.10832). Unit k before the last minimises l1 BCE(dec(h_k), x) + l2 CE,
or l2 SupCon in place of CE; l1 and l2 go linearly from the first such unit to the last of them. dec
rebuilds the image x, within 0 and 1: bilinear to its size, 3x3 convolution to 12 channels, batch
norm, ReLU, 3x3 convolution, sigmoid. CE is of a network of h_k: 3x3 convolution, batch norm, ReLU,
average over the map, dense layer of 128, ReLU, linear. SupCon (arXiv 2004.11362) compares unit
vectors of those 128, temperature 0.07. The last unit has the network's head and CE alone. Labels
and the image go to every unit, no errors and no weights travel; a unit's input is a constant, and
it is updated before the next one runs.

What differs from the authors: the convolution keeps size and channels; images are standardised
here, and brought back to 0 to 1 by the extremes of each channel in the micro-batch. With SupCon a
linear layer of the 128 as a constant predicts, and its own CE is added. Defaults are those for
ResNet-32 in 16 units.
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.config.options import choice, number
from svp_core.greedy.networks import Call, conv
from svp_core.greedy.options import GreedyOptions
from svp_core.greedy.units import Greedy, Part, Place, assembled
from svp_core.local.unit import Reading
from svp_core.methods import at_least_float32
from svp_core.models import Model
from svp_core.pooling import avg
from svp_core.task import Task


class Options(GreedyOptions):
    """What units before the last shall keep, and how much it counts."""

    models = ("cnn", "resnet")
    loss: str = choice(
        "cross_entropy", "contrast", meaning="beside the reconstruction, CE or SupCon"
    )
    keep_first: float = number(5.0, "l1 of the first unit", at_least=0)
    keep_last: float = number(0.2, "l1 of the last unit but one", at_least=0)
    class_first: float = number(0.05, "l2 of the first unit", at_least=0)
    class_last: float = number(0.5, "l2 of the last unit but one", at_least=0)
    temperature: float = number(0.07, "of SupCon", above=0)

    def refuse(self, run):
        yield from super().refuse(run)
        if self.loss == "contrast" and run.recipe.batch_size == run.recipe.micro_batches:
            yield "loss: contrast compares the images of a micro-batch, here one"


class InfoPro(Greedy):
    """Units that rebuild the image; `readouts` before the last are pairs of networks."""

    def read(
        self, index: int, hidden: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor, Reading]:
        """Return h of a unit, and phi(h), its 128 features and logits."""
        if index == len(self.units) - 1:
            return super().read(index, hidden, labels)
        network = self.readouts[index]
        with self.autocast(hidden.device):
            output, features, _ = self.units[index](hidden)
            embedded = network.embed(output)
            is_constant = self.options.loss == "contrast"
            logits = network.classify(embedded.detach() if is_constant else embedded)
        return output, Reading(*map(at_least_float32, (features, embedded, logits)))

    def unit_loss(self, index: int, output: Tensor, reading: Reading, part: Part) -> Tensor:
        loss = super().unit_loss(index, output, reading, part)
        if index == len(self.units) - 1:
            return loss
        given = self.options
        keep, tell = (
            between(first, last, index, len(self.units) - 1)
            for first, last in (
                (given.keep_first, given.keep_last),
                (given.class_first, given.class_last),
            )
        )
        if given.loss == "contrast":
            loss = loss + tell * contrast(reading.projected, part.labels, given.temperature)
        else:
            loss = tell * loss
        with self.autocast(output.device):
            rebuilt = at_least_float32(self.readouts[index].rebuild(output))
        target = from_0_to_1(part.images)
        return loss + keep * F.binary_cross_entropy_with_logits(rebuilt, target)


class Networks(nn.Module):
    """What sees the map (C, H, W) of a unit: what rebuilds the image, and what tells the class."""

    def __init__(self, channels: int, image_shape: tuple[int, int, int], classes: int):
        super().__init__()
        self.size = image_shape[1:]
        rebuilt = nn.Conv2d(12, image_shape[0], 3, padding=1)
        self.decoder = nn.Sequential(*conv(channels, 12, 3), rebuilt)
        self.embed = nn.Sequential(
            *conv(channels, channels, 3), Call(partial(avg, grid=1)), nn.Linear(channels, 128)
        )
        self.classify = nn.Sequential(nn.ReLU(), nn.Linear(128, classes))

    def rebuild(self, hidden: Tensor) -> Tensor:
        """Return the image (B, c, h, w) before the sigmoid."""
        return self.decoder(F.interpolate(hidden, self.size, mode="bilinear"))


def between(first: float, last: float, place: int, count: int) -> float:
    """Return the number at a place of so many, linear from the first to the last."""
    return first + (last - first) * place / max(count - 1, 1)


def from_0_to_1(images: Tensor) -> Tensor:
    """(B, C, H, W) -> the same, with 0 and 1 as the extremes of every channel."""
    least, most = images.amin(dim=(0, 2, 3), keepdim=True), images.amax(dim=(0, 2, 3), keepdim=True)
    return (images - least) / (most - least).clamp(min=torch.finfo(images.dtype).tiny)


def contrast(embedded: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return SupCon of (B, d), (B,): mean over images of -log p of another one of the class."""
    rows = F.normalize(embedded, dim=1)
    is_self = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    logits = (rows @ rows.T / temperature).masked_fill(is_self, float("-inf"))
    log_p = logits.log_softmax(dim=1).masked_fill(is_self, 0)
    is_positive = (labels[:, None] == labels) & ~is_self
    found = (log_p * is_positive).sum(dim=1) / is_positive.sum(dim=1).clamp(min=1)
    return -found.sum() / is_positive.any(dim=1).sum().clamp(min=1)


def build(model: Model, task: Task, options: Options, recipe, seed: int) -> InfoPro:
    """Group the model's blocks into units; draw their networks."""

    def networks(at: Place) -> Networks:
        return Networks(at.shape[0], task.image_shape, task.classes)

    return assembled(InfoPro, (model, task, options, recipe, seed), networks)
