"""Stochastic Variational Propagation: every local unit maximises a lower bound of its own.

Unit i minimises CE(q_i, y) + beta D(q_i, sg(q_{i-1})); q_i is read from v_i = R_i (m_i * phi(h_i)),
R_i fixed, m_i dropout (arXiv 2505.05181). Its input is detached, so no gradient crosses a unit; it
is updated before the next unit runs, so only one unit's activations and gradients are alive.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core import projections
from svp_core import readouts as readout_kinds
from svp_core.alignments import ALIGNMENTS, Reading
from svp_core.methods import Method, at_least_float32, update
from svp_core.models import Model
from svp_core.recipe import build_optimizer
from svp_core.seeds import derive


class LocalUnit(nn.Module):
    """Consecutive blocks, and the fixed projection of their last activation."""

    def __init__(self, blocks: list[nn.Module], reduce, projection: Tensor | None, options: dict):
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.reduce = reduce
        self.register_buffer("projection", projection)  # (d0, d_i), None for the identity
        self.scale, self.dropout, self.noise = (options[k] for k in ("scale", "dropout", "noise"))

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the activation h_i, phi(h_i) (B, d_i) and v_i (B, d0)."""
        hidden = self.blocks(hidden)
        features = self.reduce(hidden)
        kept = F.dropout(features, self.dropout, self.training) if self.dropout else features
        if self.projection is None:
            projected = self.scale * kept
        else:
            projected = F.linear(kept, self.projection)
        if self.noise and self.training:
            projected = projected + self.noise * torch.randn_like(projected)
        return hidden, features, projected


class SVP(Method):
    """Block-local training; `units` from the image to the prediction."""

    def __init__(
        self, units: list[LocalUnit], readouts: list[nn.Module], options: dict, recipe: dict
    ):
        super().__init__(recipe)
        self.units, self.readouts = nn.ModuleList(units), nn.ModuleList(readouts)
        name = options["alignment"]
        self.align = None if name == "none" else ALIGNMENTS[name]
        self.beta, self.std = options["beta"], options["alignment_std"]
        self.is_fused = options["update"] == "fused"
        self.averages_units = options["inference"] == "mean"
        own = [list(unit.parameters()) for unit in units]
        if options["readout"] == "private":
            own = [[*one, *r.parameters()] for one, r in zip(own, readouts, strict=True)]
        if options["readout"] == "shared":
            own.append(list(readouts[0].parameters()))
        # a step of an optimiser has a price of its own: one does for all updates after the sweep
        groups = own if self.is_fused else [[parameter for one in own for parameter in one]]
        self.optimizers = [build_optimizer(group, recipe) for group in groups]

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        hidden, labels = (list(one.chunk(self.micro_batches)) for one in (images, labels))
        previous, losses = [None] * self.micro_batches, []
        for index in range(len(self.units)):
            shares = []
            for part in range(self.micro_batches):
                output, reading = self.read(index, hidden[part])
                loss = self.local_loss(reading, previous[part], labels[part])
                shares.append(self.accumulate(loss))
                hidden[part], previous[part] = output.detach(), reading.detach()
            if self.is_fused:
                update(self.optimizers[index])
            losses.append(sum(shares[1:], start=shares[0]))
        # a shared readout has gathered the gradients of all units
        for optimizer in self.optimizers[len(self.units) if self.is_fused else 0 :]:
            update(optimizer)
        return torch.stack(losses)

    def read(self, index: int, hidden: Tensor) -> tuple[Tensor, Reading]:
        """Return the activation and the reading of one unit."""
        with self.autocast(hidden.device):
            output, features, projected = self.units[index](hidden)
            logits = self.readouts[index](projected)
        return output, Reading(*map(at_least_float32, (features, projected, logits)))

    def local_loss(self, reading: Reading, previous: Reading | None, labels: Tensor) -> Tensor:
        """Return L_i; the first unit has no predecessor and only predicts."""
        loss = F.cross_entropy(reading.logits, labels, label_smoothing=self.label_smoothing)
        if previous is None or self.align is None:
            return loss
        return torch.add(loss, self.align(reading, previous, self.std), alpha=self.beta)

    def predict(self, images: Tensor) -> list[Tensor]:
        hidden, logits = images, []
        for index in range(len(self.units)):
            hidden, reading = self.read(index, hidden)
            logits.append(reading.logits)
        return logits

    def decide(self, logits: list[Tensor]) -> Tensor:
        if self.averages_units:
            return torch.stack([one.log_softmax(dim=1) for one in logits]).mean(dim=0)
        return logits[-1]


def build(model: Model, classes: int, options: dict, recipe: dict, seed: int) -> SVP:
    """Group the model's blocks into local units; draw projections and readouts."""
    size, blocks = options["blocks"], list(model.blocks)
    groups = [range(start, min(start + size, len(blocks))) for start in range(0, len(blocks), size)]
    widths = [model.widths[group[-1]] for group in groups]
    rows = [row_count(options, width, classes) for width in widths]
    units = []
    for group, width, d0 in zip(groups, widths, rows, strict=True):
        law, projection = options["projection"], None
        if law != "identity":
            stream = derive(seed, "projection", *([] if options["shared"] else [group[0]]))
            projection = projections.draw(law, d0, width, options["scale"], stream)
        units.append(LocalUnit([blocks[i] for i in group], model.reduce, projection, options))
    readouts = readout_kinds.build(options["readout"], rows, classes, seed)
    return SVP(units, readouts, options, recipe)


def row_count(options: dict, width: int, classes: int) -> int:
    """Return d0 of a unit of this width: `null` means K, and all features without a projection."""
    return width if options["projection"] == "identity" else options["d0"] or classes
