"""Passes through units whose layers are known, without autograd, whose bookkeeping takes as long.

A way leads through one layer: `forward` from values to values and what is to be kept, `back` from a
gradient to that of the values, if that is needed, adding to those of the layer's weights.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core import pooling
from svp_core.runtime import keeping

aten = torch.ops.aten


def gather(parameter: nn.Parameter | None, gradient: Tensor | None) -> None:
    """Add to the gradient of a parameter, as a backward pass does."""
    if parameter is None:
        return
    if parameter.grad is None:
        if gradient.stride() != parameter.stride():  # kernels of optimisers go by memory
            gradient = torch.empty_like(parameter).copy_(gradient)
        parameter.grad = gradient
    else:
        parameter.grad += gradient


class Way:
    """Through a layer, whose weights are looked up once: that takes its time."""

    def __init__(self, layer: nn.Module):
        self.layer = layer
        self.weight, self.bias = getattr(layer, "weight", None), getattr(layer, "bias", None)

    def forward(self, values: Tensor) -> tuple[Tensor, Any]:
        """Return the layer's values, and what `back` needs."""
        raise NotImplementedError

    def back(self, kept: Any, gradient: Tensor, is_needed: bool) -> Tensor | None:
        """Return the gradient of the values that the layer was given."""
        raise NotImplementedError


class Dense(Way):
    def forward(self, values):
        return F.linear(values, self.weight, self.bias), values

    def back(self, kept, gradient, is_needed):
        gather(self.weight, gradient.T @ kept)
        if self.bias is not None:
            gather(self.bias, gradient.sum(dim=0))
        return gradient @ self.weight if is_needed else None


class Convolution(Way):
    def forward(self, values):
        return self.layer._conv_forward(values, self.weight, self.bias), values

    def back(self, kept, gradient, is_needed):
        layer, bias = self.layer, self.bias
        before, *found = aten.convolution_backward.default(
            gradient, kept, self.weight, None if bias is None else bias.shape,
            layer.stride, layer.padding, layer.dilation, False, [0, 0], layer.groups,
            [is_needed, True, bias is not None],
        )  # fmt: skip
        for weights, one in zip((self.weight, bias), found, strict=True):
            gather(weights, one)
        return before


class Norm(Way):
    def forward(self, values):
        layer = self.layer
        layer.num_batches_tracked.add_(1)
        found, *kept = aten._batch_norm_impl_index.default(
            values, self.weight, self.bias, layer.running_mean, layer.running_var,
            True, layer.momentum, layer.eps, torch.backends.cudnn.enabled,
        )  # fmt: skip
        return found, (values, *kept)

    def back(self, kept, gradient, is_needed):
        layer, (values, mean, inverse, reserve, kernel) = self.layer, kept
        before, *found = aten._batch_norm_impl_index_backward.default(
            kernel, values, gradient, self.weight, layer.running_mean, layer.running_var,
            mean, inverse, True, layer.eps, [is_needed, True, True], reserve,
        )  # fmt: skip
        for weights, one in zip((self.weight, self.bias), found, strict=True):
            gather(weights, one)
        return before


class Largest(Way):
    def __init__(self, layer: nn.MaxPool2d):
        super().__init__(layer)
        sizes = layer.kernel_size, layer.stride, layer.padding, layer.dilation
        pairs = ([one, one] if isinstance(one, int) else one for one in sizes)
        self.form = *pairs, layer.ceil_mode

    def forward(self, values):
        found, places = aten.max_pool2d_with_indices.default(values, *self.form)
        return found, (values, places)

    def back(self, kept, gradient, is_needed):
        values, places = kept
        return aten.max_pool2d_with_indices_backward.default(gradient, values, *self.form, places)


class Positive(Way):
    is_fresh = False  # whether nobody else holds the values that it is given

    def forward(self, values):
        found = values.relu_() if self.is_fresh else values.relu()
        return found, found

    def back(self, kept, gradient, is_needed):
        return aten.threshold_backward.grad_input(gradient, kept, 0, grad_input=gradient)


class Tanh(Way):
    def forward(self, values):
        found = values.tanh()
        return found, found

    def back(self, kept, gradient, is_needed):
        return aten.tanh_backward.default(gradient, kept)


class Flat(Way):
    def forward(self, values):
        return values.flatten(1), values.shape

    def back(self, kept, gradient, is_needed):
        return gradient.reshape(kept)


class Phi(Way):
    """To phi(h), which flattens or averages over cells."""

    def __init__(self, phi: Callable[[Tensor], Tensor]):
        self.phi, self.grid = phi, getattr(phi, "keywords", {}).get("grid")

    def forward(self, values):
        is_pooled = self.grid and values.dim() == 4 and pooling.cell(values, self.grid) != (1, 1)
        return self.phi(values), values if is_pooled else values.shape

    def back(self, kept, gradient, is_needed):
        if isinstance(kept, torch.Size):
            return gradient.reshape(kept)
        cell = pooling.cell(kept, self.grid)
        counts = (-(-side // part) for side, part in zip(kept.shape[2:], cell, strict=True))
        return aten.avg_pool2d_backward.default(
            gradient.reshape(*kept.shape[:2], *counts), kept, cell, cell, [0, 0], True, False, None
        )


WAYS = {
    nn.Linear: Dense,
    nn.Conv2d: Convolution,
    nn.BatchNorm2d: Norm,
    nn.MaxPool2d: Largest,
    nn.ReLU: Positive,
    nn.Tanh: Tanh,
    nn.Flatten: Flat,
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


class Ways:
    """Through known layers, one after another, and to phi(h)."""

    def __init__(self, layers: list[nn.Module], phi: Callable[[Tensor], Tensor]):
        self.ways = [*(WAYS[type(one)](one) for one in layers), Phi(phi)]
        for before, way in pairwise(self.ways):
            way.is_fresh = isinstance(before, Dense | Convolution | Norm)
        self.first = next(i for i, one in enumerate(layers) if list(one.parameters()))
        shaping = [type(one) for one in layers if type(one) in (nn.Linear, nn.Flatten)]
        self.of_vectors = shaping[:1] == [nn.Linear]

    def take(self, values: Tensor) -> bool:
        """Whether such values can pass: dense layers take vectors."""
        return values.dim() == 2 or not self.of_vectors

    def run(self, values: Tensor) -> tuple[Tensor, Tensor, Callable[[Tensor], None]]:
        """Return h, phi(h), and what takes a gradient by phi(h) back."""
        kept = []
        for way in self.ways:
            output = values
            values, saved = way.forward(values)
            kept.append((saved, keeping.witness(saved)))

        def take_back(gradient: Tensor) -> None:
            for place in range(len(self.ways) - 1, self.first - 1, -1):
                saved, _ = kept.pop()
                gradient = self.ways[place].back(saved, gradient, place > self.first)

        return output, values, take_back
