"""The fast step of svp: gradients from the local loss to phi(h) in closed form, not by autograd.

The numbers of the plain step, up to rounding, for projections, dropout, noise, linear readouts and
alignments with an `add_to`. Units of known layers are passed by hand, the last layer of an encoder
and the mean of its tokens at once, others by autograd.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core import local, pooling
from svp_core.local import by_hand
from svp_core.local.merged import Merged, merge
from svp_core.local.step import Step
from svp_core.local.unit import LocalUnit, Reading
from svp_core.local.watch import Watch
from svp_core.methods import Method, at_least_float32

Back = Callable[[Tensor], None]  # takes the gradient by phi(h) (B, d_i) to the weights of a unit


class FastStep(Step):
    """A training step of a method without overlap."""

    has_graph = False  # but within units that are not passed by hand

    def __init__(self, method: Method, classes: int):
        super().__init__(method)
        self.options, self.classes = method.options, classes
        self.alignment = local.load("alignments", self.options.alignment)
        # lists, as to ask a module for another one takes its time
        self.units, self.readouts = list(method.units), list(method.readouts)
        self.passes = [Pass(unit, method) for unit in self.units]
        self.observers = [getattr(one, "observe", None) for one in self.readouts]
        self.is_linear = [hasattr(one, "weight") for one in self.readouts]
        for one, unit, readout in zip(self.passes, self.units, self.readouts, strict=True):
            is_aligned = method.alignments and self.alignment.BY == "projected"
            one.merged = None if is_aligned else merge(unit, readout)

    def looks_at_v(self, index: int) -> bool:
        """Whether a readout that is solved for, or a rule, takes in v of this step."""
        share = 1 / self.method.micro_batches
        if self.readouts[index].is_due(share):
            return True
        rules = self.method.observers
        known = (one.is_due(share) if hasattr(one, "is_due") else True for one in rules)
        return self.method.keeps_shown and (not rules or any(known))

    def keep(self, span: range) -> None:
        """Let go of all other units."""
        for index in set(range(len(self.units))).difference(span):
            for one in (self.units, self.readouts, self.passes, self.observers):
                one[index] = None

    def prepare(self, labels: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return -t / B (K, B) of the units before the last, and of the last; t as smoothed."""
        method = self.method
        share, smoothing = 1 / len(labels) / method.micro_batches, method.recipe.label_smoothing
        level = smoothing / self.classes
        last = labels.new_full((self.classes, len(labels)), -share * level, dtype=dtype)
        last.scatter_(0, labels[None], -share * (1 - smoothing + level))
        if method.target is None:
            return last, last
        return ((1 - smoothing) * method.target(labels).T + level) * -share, last

    def train(
        self,
        index: int,
        hidden: Tensor,
        previous: Reading | None,
        labels: Tensor,
        prepared: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Reading, Tensor]:
        method, unit, readout = self.method, self.units[index], self.readouts[index]
        output, features, back = self.passes[index](hidden)
        kept, mask = drop(features, unit)
        merged, projected = self.passes[index].merged, None
        if merged is None or self.looks_at_v(index):
            with method.autocast(hidden.device):
                projected = at_least_float32(unit.project(kept))
        if observe := self.observers[index]:
            observe(projected, labels, 1 / method.micro_batches)
        matrix = readout.weight if self.is_linear[index] else None
        if merged:
            whole = merged()
            logits = F.linear(at_least_float32(kept), whole, readout.bias)
        else:
            logits = projected if matrix is None else F.linear(projected, matrix, readout.bias)
        reading = Reading(features, projected, logits)
        share = 1 / len(labels) / method.micro_batches
        loss, error = cross_entropy(logits, prepared[index == len(self.units) - 1], share)
        align = method.alignments and previous is not None and partial(
            self.alignment.add_to, reading=reading, previous=previous,
            share=share * self.options.beta, options=self.options,
        )  # fmt: skip
        if align and self.alignment.BY == "logits":
            (loss, error), align = align(loss, error), None
        if isinstance(matrix, nn.Parameter):
            by_hand.gather(matrix, error.T @ projected)
        if align:
            loss, by_v = align(loss, error if matrix is None else error @ matrix)
            find = partial(unprojected, by_v, unit.projection, unit.scale)
        elif merged:
            find = partial(torch.mm, error, whole)
        else:
            find = partial(unread, error, matrix, unit.projection, unit.scale)
        back(find() if mask is None else find() * mask)  # a name would keep it to the end
        return output, reading, loss


class Pass:
    """The way of a unit from its input to phi(h), and back."""

    merged: Merged | None = None  # from phi(h) to logits

    def __init__(self, unit: LocalUnit, method: Method):
        self.unit, self.method = unit, method
        self.layers = by_hand.layers_of(unit.blocks)
        self.watch = Watch(unit.blocks)
        is_read = unit.auxiliary is None
        phi = unit.reduce.func if isinstance(unit.reduce, partial) else unit.reduce
        self.is_averaged = is_read and hasattr(self.layers[-1], "averaged") and phi is pooling.mean
        is_known = phi in (pooling.flatten, pooling.avg) and by_hand.is_known(self.layers)
        is_by_hand = is_read and is_known and not method.is_mixed
        self.ways = by_hand.Ways(self.layers, unit.reduce) if is_by_hand else None

    def __call__(self, hidden: Tensor) -> tuple[Tensor, Tensor, Back]:
        """Return h (B, ...), phi(h) (B, d_i), and the way back."""
        is_watched = self.watch()
        if self.ways and not is_watched and self.ways.take(hidden):
            return self.ways.run(hidden)
        with torch.enable_grad(), self.method.autocast(hidden.device):
            output, features = self.differentiable(hidden, is_watched)
        seen = features.detach()
        return output.detach(), seen, lambda gradient: features.backward(gradient.to(seen.dtype))

    def differentiable(self, hidden: Tensor, is_watched: bool) -> tuple[Tensor, Tensor]:
        """Return h and phi(h) with their graph."""
        if self.is_averaged and not is_watched:
            *before, last = self.layers
            for layer in before:
                hidden = layer(hidden)
            return last.averaged(hidden)
        output = self.unit.blocks(hidden)
        return output, self.unit.reduce(self.unit.seen(output))


def drop(features: Tensor, unit: LocalUnit) -> tuple[Tensor, Tensor | None]:
    """Return m * phi(h), and m, if anything may be dropped."""
    if not unit.dropout:
        return features, None
    mask = F.dropout(torch.ones_like(features), unit.dropout, unit.training)
    return features * mask, mask


def cross_entropy(logits: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return `share` of the summed cross-entropy, and its gradient (B, K): `share` (q - t).

    Classes come first meanwhile: a softmax over a few neighbours would take five times as long.
    """
    log_q = logits.T.contiguous().log_softmax(dim=0)
    loss = torch.dot(targets.reshape(-1), log_q.reshape(-1))
    return loss, torch.add(targets, log_q.exp(), alpha=share).T


def unprojected(by_v: Tensor, projection: Tensor | None, scale: float) -> Tensor:
    """Return the gradient by phi(h) (B, d_i) of one by v (B, d0)."""
    return scale * by_v if projection is None else by_v @ projection


def unread(error: Tensor, matrix: Tensor | None, projection: Tensor | None, scale: float) -> Tensor:
    """Return the gradient by phi(h) (B, d_i) of one by the logits (B, K)."""
    if matrix is None or projection is None:
        return unprojected(error if matrix is None else error @ matrix, projection, scale)
    (classes, rows), images = matrix.shape, len(error)
    if classes * (rows + images) < images * rows:
        return error @ (matrix @ projection)  # K columns an image in place of d0
    return error @ matrix @ projection
