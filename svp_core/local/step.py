"""A training step of local units: each in its turn is trained on all micro-batches, and updated.

One loop for one process and for a rank of several; kinds of it compute a unit's gradients.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from svp_core.local.unit import Reading
from svp_core.methods import Method, update


class Batch(NamedTuple):
    """A training batch between two units, lists of its micro-batches."""

    labels: list[Tensor]
    hidden: list[Tensor]
    previous: list[Reading | None]
    shown: list[list[Tensor]]  # v of all units before, if anything learns from them


class Step:
    """What all kinds share: the way of a batch through units."""

    has_graph = True  # whether autograd follows what `train` does
    overlap = 0  # units before a unit that its loss trains as well

    def __init__(self, method: Method):
        self.method = method

    def prepare(self, labels: Tensor, dtype: torch.dtype) -> Any:
        """Return what `train` needs of a micro-batch at every unit, in the precision of losses."""
        raise NotImplementedError

    def train(
        self, index: int, hidden: Tensor, previous: Reading | None, labels: Tensor, prepared: Any
    ) -> tuple[Tensor, Reading, Tensor]:
        """Add a unit's gradients; return its activation, its reading, its share of the loss."""
        raise NotImplementedError

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        """Train all units on a batch (B, C, H, W), (B,)."""
        method, batch, count = self.method, self.begin(images, labels), len(self.method.units)
        losses = self.sweep(batch, range(count))
        # the last units, and readouts of several, have gathered the gradients of all later losses
        for optimizer in method.optimizers[count - self.overlap if method.is_fused else 0 :]:
            update(optimizer)
        method.add("unit_loss", losses)
        method.conclude(batch)

    def begin(self, images: Tensor, labels: Tensor) -> Batch:
        """Return a batch as it comes to the first unit."""
        hidden, labels = (list(one.chunk(self.method.micro_batches)) for one in (images, labels))
        return Batch(labels, hidden, [None] * len(hidden), [[] for _ in hidden])

    def sweep(
        self, batch: Batch, span: range, leave: Callable[[Batch], object] | None = None
    ) -> Tensor:
        """Train consecutive units on a batch, which moves on; return their mean losses (units,).

        `leave` is given the batch when it is through, before the last of them is updated.
        """
        labels, hidden, previous, shown = batch
        dtype = torch.promote_types(hidden[0].dtype, torch.float32)
        keeps_shown, losses = self.method.keeps_shown, []
        with torch.set_grad_enabled(self.has_graph):
            prepared = [self.prepare(known, dtype) for known in labels]
            for index in span:
                shares = []
                for place, known in enumerate(labels):
                    hidden[place], previous[place], share = self.train(
                        index, hidden[place], previous[place], known, prepared[place]
                    )
                    shares.append(share)
                    if keeps_shown:
                        shown[place].append(previous[place].projected)
                losses.append(sum(shares[1:], start=shares[0]))
                if leave and index == span[-1]:
                    leave(batch)
                self.update_after(index)
            return torch.stack(losses)

    def update_after(self, index: int) -> None:
        """Update what has all of its gradients once a unit has had its turn: that unit."""
        if self.method.is_fused:
            update(self.method.optimizers[index])
