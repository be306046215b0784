"""Stochastic Variational Propagation: every local unit maximises a lower bound of its own.

Unit i minimises CE(softmax(v_i), y) + beta D(v_i, sg(v_{i-1})), v_i = R_i phi(h_i), with R_i fixed
(arXiv 2505.05181). Its input is detached, and it is updated before the next unit runs: no gradient
crosses a unit, and only one unit's activations and gradients are alive at a time.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.alignments import ALIGNMENTS
from svp_core.methods import Method
from svp_core.models import Model
from svp_core.optimization import build_optimizer
from svp_core.pooling import POOLS
from svp_core.projections import draw
from svp_core.seeds import derive


class LocalUnit(nn.Module):
    """Consecutive blocks with a fixed projection of their last activation."""

    def __init__(self, blocks: list[nn.Module], pool: str, projection: Tensor):
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.pool = POOLS[pool]
        self.register_buffer("projection", projection)  # (d0, d_i)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Return the activation h_i and its reading v_i (B, d0)."""
        hidden = self.blocks(hidden)
        return hidden, F.linear(self.pool(hidden), self.projection)


class SVP(Method):
    """Block-local training; `units` from the image to the prediction."""

    def __init__(self, units: list[LocalUnit], options: dict, recipe: dict):
        super().__init__()
        self.units = nn.ModuleList(units)
        self.align = ALIGNMENTS.get(options["alignment"])  # None without an alignment
        self.beta, self.std = options["beta"], options["alignment_std"]
        self.label_smoothing = recipe["label_smoothing"]
        self.optimizers = [build_optimizer(unit.parameters(), recipe) for unit in units]

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        hidden, previous, losses = images, None, []
        for unit, optimizer in zip(self.units, self.optimizers, strict=True):
            output, reading = unit(hidden)
            loss = self.local_loss(reading, previous, labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            hidden, previous = output.detach(), reading.detach()
            losses.append(loss.detach())
        return torch.stack(losses)

    def local_loss(self, reading: Tensor, previous: Tensor | None, labels: Tensor) -> Tensor:
        """Return L_i; the first unit has no predecessor and only predicts."""
        loss = F.cross_entropy(reading, labels, label_smoothing=self.label_smoothing)
        if previous is None or self.align is None:
            return loss
        return loss + self.beta * self.align(reading, previous, self.std)

    def predict(self, images: Tensor) -> list[Tensor]:
        hidden, readings = images, []
        for unit in self.units:
            hidden, reading = unit(hidden)
            readings.append(reading)
        return readings


def build(model: Model, classes: int, options: dict, recipe: dict, seed: int) -> SVP:
    """Group the model's blocks into local units and draw their projections."""
    size, blocks = options["blocks"], list(model.blocks)
    units = []
    for start in range(0, len(blocks), size):
        group, width = blocks[start : start + size], model.widths[start : start + size][-1]
        rows, stream = options["d0"] or classes, derive(seed, "projection", start)
        projection = draw(options["projection"], rows, width, options["scale"], stream)
        units.append(LocalUnit(group, model.pool, projection))
    return SVP(units, options, recipe)
