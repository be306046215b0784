"""What a network of sparse layers takes: products, active parameters, bytes; all in closed form."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from svp_core.bayes.layers import Stochastic
from svp_core.bayes.posterior import Posterior
from svp_core.methods import Method

PRODUCTS = 6  # a layer and step: of mean and variance, forward, by inputs and by weights
BYTES = 4  # of a float32


@torch.no_grad()
def multiplications(method: Method, image: Tensor) -> dict[nn.Module, int]:
    """Return the MACs of one forward pass of dense layers and convolutions, in order of the pass.

    `image` is one, (1, C, H, W).
    """
    found: dict[nn.Module, int] = {}

    def note(layer: nn.Module, inputs: tuple, output: Tensor) -> None:
        found.setdefault(layer, output.numel() * layer.weight[0].numel())

    layers = [one for one in method.modules() if isinstance(one, nn.Linear | nn.Conv2d)]
    handles = [one.register_forward_hook(note) for one in layers]
    method.predict(image)
    for handle in handles:
        handle.remove()
    return found


def density(layer: nn.Module) -> float:
    """Return which part of the weights of a layer is active; 1 of an ordinary one."""
    return layer.active / layer.weight.numel() if isinstance(layer, Stochastic) else 1.0


def parameters(method: Method) -> tuple[int, int]:
    """Return how many trained numbers are active, and the bytes of a network that is stored so.

    mu and sigma of a weight are two. Where not all are active, a mask has a bit a weight.
    """
    masked = [one for one in method.modules() if isinstance(one, Stochastic) and one.density < 1]
    whole = sum(one.numel() for one in method.parameters() if one.requires_grad)
    weights = [one.weight.numel() for one in masked]
    active = whole - 2 * (sum(weights) - sum(one.active for one in masked))
    return active, BYTES * active + sum(-(-count // 8) for count in weights)


def train_flops(method: Posterior, macs: Mapping[nn.Module, int], is_sparse: bool) -> int:
    """Return the FLOPs of all steps of a network that one loss trains, dense or at its density.

    A step has PRODUCTS of each layer, but for those by the inputs of the first, which nobody needs.
    At the density all shrink alike, but that the gradient of all means is needed for an exchange,
    and none of deviations.
    """
    exchanges = method.subspace.exchanges(method.planned_steps) if method.subspace else 0
    total = 0.0
    for place, (layer, count) in enumerate(macs.items()):
        kept = density(layer) if is_sparse else 1.0
        products = PRODUCTS if place else PRODUCTS - 2
        own = kept * products * method.planned_steps
        if is_sparse and kept < 1:
            own += (1 - 2 * kept) * exchanges  # of two gradients of weights, one, of all of them
        total += 2 * count * own
    return round(method.recipe.batch_size * total)
