"""Dense layers and convolutions that carry errors back by other weights B than their own W.

Of y = W x + b the gradients of W and b are exact, but x is given B^T dL/dy in place of
W^T dL/dy. All else in a network has its exact backward pass: norms with their gains, activations,
pooling, shortcuts, and the products and softmax of attention, whose weights are dense layers.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Dense(torch.autograd.Function):
    """F.linear, which asks `carry` for B once its own output has a gradient."""

    @staticmethod
    def forward(ctx, inputs: Tensor, weight: Tensor, bias: Tensor | None, carry) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.carry = carry
        return F.linear(inputs, weight, bias)

    @staticmethod
    def backward(ctx, error: Tensor) -> tuple:
        inputs, weight = ctx.saved_tensors
        of_inputs, of_weight, of_bias, _ = ctx.needs_input_grad
        rows = error.flatten(0, -2)
        return (
            error @ ctx.carry(weight).to(error.dtype) if of_inputs else None,
            rows.T @ inputs.flatten(0, -2).to(error.dtype) if of_weight else None,
            rows.sum(dim=0) if of_bias else None,
            None,
        )


class Convolution(torch.autograd.Function):
    """The same of a convolution; torch's own backward pass is given B where it expects W."""

    @staticmethod
    def forward(ctx, inputs: Tensor, weight: Tensor, bias: Tensor | None, layer) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.layer = layer
        return layer._conv_forward(inputs, weight, bias)

    @staticmethod
    def backward(ctx, error: Tensor) -> tuple:
        inputs, weight = ctx.saved_tensors
        layer, wanted = ctx.layer, ctx.needs_input_grad[:3]
        feedback = layer.carry(weight) if wanted[0] else weight  # of which only the sizes matter
        shape = layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups
        found = torch.ops.aten.convolution_backward(
            error,
            inputs.to(error.dtype),
            feedback.to(error.dtype),
            [len(weight)] if wanted[2] else None,
            *shape,
            wanted,
        )
        return *found, None


class FeedbackLinear(nn.Linear):
    """A dense layer; `carry` makes B (out, in) of W."""

    def forward(self, inputs: Tensor) -> Tensor:
        return Dense.apply(inputs, self.weight, self.bias, self.carry)


class FeedbackConv2d(nn.Conv2d):
    """A convolution; `carry` makes B (out, in / groups, kernel) of W."""

    def forward(self, inputs: Tensor) -> Tensor:
        return Convolution.apply(inputs, self.weight, self.bias, self)


LAYERS = {nn.Linear: FeedbackLinear, nn.Conv2d: FeedbackConv2d}


def carry_errors(network: nn.Module, carry: Callable[[str, nn.Module], nn.Module]) -> None:
    """Let every dense layer and convolution of a network carry errors by a module W -> B.

    `carry` returns that of a layer and its name; weights, and their names, stay as they are.
    """
    for name, layer in list(network.named_modules()):
        if type(layer) in LAYERS:
            layer.carry = carry(name, layer)
            layer.__class__ = LAYERS[type(layer)]
