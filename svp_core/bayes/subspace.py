"""Which weights are active: exchanged every few steps, by scores (arXiv 2402.11025).

In place of the step of an optimiser the lowest scores among the active weights are removed, and as
many of the others, of the largest gradient of the loss, are added, at mu = 0. Gradients and the
optimiser's averages are 0 where a weight is not active.
"""

from collections.abc import Sequence
from math import cos, expm1, log, pi

import torch
from torch import Tensor, optim

from svp_core.bayes.criteria import score
from svp_core.bayes.layers import SMALLEST, Stochastic
from svp_core.bayes.options import SubspaceOptions

SMALLEST_RHO = log(expm1(SMALLEST))


class Subspace:
    """The exchange of a network, whose layers may belong to several optimisers."""

    def __init__(self, options: SubspaceOptions, steps: int):
        self.options, self.end = options, options.until * steps
        self.part, self.is_due = 0.0, False  # of the step to come

    def attach(self, optimizer: optim.Optimizer, layers: Sequence[Stochastic]) -> None:
        """Let an optimiser train what is active alone, of those layers that it holds."""
        held = {id(one) for group in optimizer.param_groups for one in group["params"]}
        own = [one for one in layers if one.mask is not None and id(one.weight) in held]
        if own:
            optimizer.register_step_pre_hook(lambda one, *_: self.before(one, own))

    def plan(self, done: int) -> None:
        """Say how many steps are done, which decides whether the next one is an exchange."""
        self.part = self.fraction(done + 1)
        self.is_due = self.part > 0

    def fraction(self, number: int) -> float:
        """Return the part of the active weights that step `number` exchanges, from 1 on."""
        if number % self.options.interval or number >= self.end:
            return 0.0
        return self.options.exchanged / 2 * (1 + cos(pi * number / self.end))

    def exchanges(self, steps: int) -> int:
        """Return how many of so many steps are exchanges."""
        return sum(self.fraction(number) > 0 for number in range(1, steps + 1))

    @torch.no_grad()
    def before(self, optimizer: optim.Optimizer, layers: Sequence[Stochastic]) -> None:
        """Exchange, and leave the optimiser nothing to do, or else keep gradients to the mask."""
        for layer in layers:
            if self.is_due:
                self.exchange(layer)
                confine(optimizer, layer)
            else:
                layer.weight.grad.mul_(layer.mask)
        if self.is_due:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None

    def exchange(self, layer: Stochastic) -> None:
        """Remove and add the same number of weights; what is removed is no candidate."""
        size = min(int(layer.active * self.part), layer.weight.numel() - layer.active)
        mask, rho = layer.mask, layer.rho
        infinite = torch.tensor(torch.inf, dtype=torch.float64, device=rho.device)
        scores = score(self.options.removal, layer.weight, layer.sigma())
        removed = torch.where(mask, scores, infinite).flatten().topk(size, largest=False).indices
        gradient = layer.weight.grad.abs().masked_fill(mask, -1.0)
        added = gradient.flatten().topk(size).indices
        kept = mask.flatten().index_fill(0, removed, False)
        mean = torch.where(kept, rho.flatten(), 0).sum() / (layer.active - size)
        new = (
            mean if self.options.added_deviation == "mean" else torch.full_like(mean, SMALLEST_RHO)
        )
        changed = kept.index_fill(0, added, True)
        write(rho, rho.flatten().scatter(0, added, new.expand(size)))
        write(mask, changed)
        layer.weight.mul_(mask)  # those added were 0


def write(tensor: Tensor, values: Tensor) -> None:
    """Replace what is in a tensor, in whatever memory layout it has, by a flat one."""
    tensor.copy_(values.view(tensor.shape))


def confine(optimizer: optim.Optimizer, layer: Stochastic) -> None:
    """Forget an optimiser's averages of weights that are not active."""
    for parameter in (layer.weight, layer.rho):
        for value in optimizer.state.get(parameter, {}).values():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                value.mul_(layer.mask)
