"""Passes through units whose layers are known, without autograd, whose bookkeeping takes as long.

A layer has a way forward, from values to values and what is kept, and one back, which adds to the
gradients of its weights and returns that of its input, or anything if that is not needed.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from svp_core.runtime import keeping

aten = torch.ops.aten


def gather(parameter: nn.Parameter, gradient: Tensor) -> None:
    """Add to the gradient of a parameter, as a backward pass does."""
    if parameter.grad is None:
        parameter.grad = gradient
    else:
        parameter.grad += gradient


def dense_back(layer: nn.Linear, values: Tensor, gradient: Tensor, is_needed: bool):
    gather(layer.weight, gradient.T @ values)
    if layer.bias is not None:
        gather(layer.bias, gradient.sum(dim=0))
    return gradient @ layer.weight if is_needed else None


def convolution_back(layer: nn.Conv2d, values: Tensor, gradient: Tensor, is_needed: bool):
    bias = layer.bias
    before, weight, shift = aten.convolution_backward.default(
        gradient, values, layer.weight, None if bias is None else bias.shape,
        layer.stride, layer.padding, layer.dilation, False, [0, 0], layer.groups,
        [is_needed, True, bias is not None],
    )  # fmt: skip
    gather(layer.weight, weight)
    if bias is not None:
        gather(bias, shift)
    return before


def norm(layer: nn.BatchNorm2d, values: Tensor) -> tuple[Tensor, tuple]:
    layer.num_batches_tracked.add_(1)
    found, *kept = aten._batch_norm_impl_index.default(
        values, layer.weight, layer.bias, layer.running_mean, layer.running_var,
        True, layer.momentum, layer.eps, torch.backends.cudnn.enabled,
    )  # fmt: skip
    return found, (values, *kept)


def norm_back(layer: nn.BatchNorm2d, kept: tuple, gradient: Tensor, is_needed: bool) -> Tensor:
    values, mean, inverse, reserve, kernel = kept
    before, weight, bias = aten._batch_norm_impl_index_backward.default(
        kernel, values, gradient, layer.weight, layer.running_mean, layer.running_var,
        mean, inverse, True, layer.eps, [is_needed, True, True], reserve,
    )  # fmt: skip
    gather(layer.weight, weight)
    gather(layer.bias, bias)
    return before


def largest(layer: nn.MaxPool2d, values: Tensor) -> tuple[Tensor, tuple]:
    found, places = aten.max_pool2d_with_indices.default(values, *form(layer))
    return found, (values, places)


def largest_back(layer: nn.MaxPool2d, kept: tuple, gradient: Tensor, is_needed: bool) -> Tensor:
    values, places = kept
    return aten.max_pool2d_with_indices_backward.default(gradient, values, *form(layer), places)


def form(layer: nn.MaxPool2d) -> tuple:
    """Return kernel, stride, padding, dilation, ceil mode as operators take them."""
    sizes = layer.kernel_size, layer.stride, layer.padding, layer.dilation
    return *([one, one] if isinstance(one, int) else one for one in sizes), layer.ceil_mode


def through(layer: nn.Module, values: Tensor) -> tuple[Tensor, Tensor]:
    return layer(values), values


def active(layer: nn.Module, values: Tensor) -> tuple[Tensor, Tensor]:
    found = layer(values)
    return found, found


def relu_back(layer: nn.ReLU, found: Tensor, gradient: Tensor, is_needed: bool) -> Tensor:
    return aten.threshold_backward.default(gradient, found, 0)


def tanh_back(layer: nn.Tanh, found: Tensor, gradient: Tensor, is_needed: bool) -> Tensor:
    return aten.tanh_backward.default(gradient, found)


def flat(layer: nn.Flatten, values: Tensor) -> tuple[Tensor, torch.Size]:
    return layer(values), values.shape


def flat_back(layer: nn.Flatten, shape: torch.Size, gradient: Tensor, is_needed: bool) -> Tensor:
    return gradient.view(shape)


WAYS = {
    nn.Linear: (through, dense_back),
    nn.Conv2d: (through, convolution_back),
    nn.BatchNorm2d: (norm, norm_back),
    nn.MaxPool2d: (largest, largest_back),
    nn.ReLU: (active, relu_back),
    nn.Tanh: (active, tanh_back),
    nn.Flatten: (flat, flat_back),
}


def layers_of(blocks: nn.Sequential) -> list[nn.Module]:
    """Return the layers of blocks, those of a sequence within them one by one."""
    return [
        layer
        for one in blocks
        for layer in (layers_of(one) if type(one) is nn.Sequential else [one])
    ]


def is_known(layers: list[nn.Module]) -> bool:
    """Whether all layers have their ways here, as they are set, and some have weights."""
    has_weights = any(list(one.parameters()) for one in layers)
    return has_weights and all(type(one) in WAYS and is_usual(one) for one in layers)


def is_usual(layer: nn.Module) -> bool:
    """Whether a layer is set to what its ways serve."""
    if isinstance(layer, nn.Conv2d):
        return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    if isinstance(layer, nn.BatchNorm2d):
        return layer.affine and layer.track_running_stats and layer.momentum is not None
    if isinstance(layer, nn.Flatten):
        return (layer.start_dim, layer.end_dim) == (1, -1)
    return not getattr(layer, "inplace", False) and not getattr(layer, "return_indices", False)


def takes(layers: list[nn.Module], values: Tensor) -> bool:
    """Whether known layers take such values by hand: dense ones vectors."""
    first = next((type(one) for one in layers if type(one) in (nn.Linear, nn.Flatten)), None)
    return first is not nn.Linear or values.dim() == 2


def run(layers: list[nn.Module], values: Tensor) -> tuple[Tensor, Callable[[Tensor], None]]:
    """Return the activation of known layers, and what takes its gradient back."""
    kept: list[tuple[nn.Module, Callable, Any, Any]] = []
    for layer in layers:
        forward, back = WAYS[type(layer)]
        values, saved = forward(layer, values)
        kept.append((layer, back, saved, keeping.witness(saved)))
    first = next(place for place, layer in enumerate(layers) if layer._parameters)

    def take_back(gradient: Tensor) -> None:
        while len(kept) > first:
            layer, back, saved, _ = kept.pop()
            gradient = back(layer, saved, gradient, len(kept) > first)

    return values, take_back
