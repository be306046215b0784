"""Dense layers that keep k of N rows of their input for the gradient of their weights.

Of y = x W' + b the gradient of W is sum_i g_i x_i' over images and tokens i, here estimated from
rows chosen in the forward pass with p_i in proportion to |x_i| |g_i| (arXiv 2305.15265). |g_i| is
not known then: that of the image in the epoch before stands for it, the mean of the batch for an
image not seen yet, and 1 where nobody knows which images a batch has. The gradients of x and b are
exact. So is a layer whose input needs no gradient: the image is there in any case.

A ReLU would keep all that the layer after it no longer does, so it keeps a byte an element: where
it let pass.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.sampling import rows


class Sampled(torch.autograd.Function):
    """F.linear of x (B, ..., d_in), which keeps rows of x and tells the layer of |g| (B,)."""

    @staticmethod
    def forward(ctx, inputs: Tensor, weight: Tensor, bias: Tensor | None, layer) -> Tensor:
        output = F.linear(inputs, weight, bias)
        flat = inputs.flatten(0, -2)
        places, weights = layer.choose(inputs)
        kept = flat[places].mul_(weights[:, None].to(flat.dtype)).to(output.dtype)
        ctx.save_for_backward(kept, places, weight)
        ctx.layer, ctx.images = layer, layer.sampling.images
        return output

    @staticmethod
    def backward(ctx, error: Tensor) -> tuple:
        kept, places, weight = ctx.saved_tensors
        ctx.layer.remember(ctx.images, error)
        flat = error.flatten(0, -2)
        return (
            error @ weight.to(error.dtype),
            flat[places].T @ kept,
            flat.sum(dim=0) if ctx.needs_input_grad[2] else None,
            None,
        )


class SampledLinear(nn.Linear):
    """A dense layer; `sampling` says how; `norms` (N,): |g| of all training images, 0 unknown."""

    def forward(self, inputs: Tensor) -> Tensor:
        if not (self.training and inputs.requires_grad):
            return super().forward(inputs)
        return Sampled.apply(inputs, self.weight, self.bias, self)

    def choose(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return places (k,) among the rows of x (B, ..., d_in), and their weights (k,)."""
        sizes = torch.linalg.vector_norm(inputs, dim=-1)
        if self.sampling.images is not None:
            norms = self.norms[self.sampling.images]
            known = norms > 0
            mean = norms.sum() / known.sum().clamp(min=1)
            norms = torch.where(known, norms, torch.where(mean > 0, mean, 1.0))
            sizes = sizes * norms.view(-1, *[1] * (sizes.dim() - 1))
        sizes = sizes.flatten()
        return rows.choose(sizes, rows.count(len(sizes), self.sampling.keep), self.sampling.rule)

    def remember(self, images: Tensor | None, error: Tensor) -> None:
        """Take in the gradients (B, ..., d_out) of the outputs of some images."""
        if images is not None:
            found = torch.linalg.vector_norm(error.flatten(1), dim=1)
            self.norms[images] = found.to(self.norms.dtype)


class Passed(torch.autograd.Function):
    """F.relu, which keeps where it let pass."""

    @staticmethod
    def forward(ctx, inputs: Tensor) -> Tensor:
        output = F.relu(inputs)
        ctx.save_for_backward(output > 0)
        return output

    @staticmethod
    def backward(ctx, error: Tensor) -> Tensor:
        return error * ctx.saved_tensors[0]


class MaskedReLU(nn.ReLU):
    """The same function with the same gradient."""

    def forward(self, inputs: Tensor) -> Tensor:
        return Passed.apply(inputs)


class Sampling:
    """How the layers of a network sample, and which training images a batch has, if known."""

    def __init__(self, rule: str, keep: float):
        self.rule, self.keep = rule, keep
        self.images: Tensor | None = None  # (B,)


def sample_activations(network: nn.Module, sampling: Sampling, train_images: int) -> None:
    """Let the dense layers of a network keep samples, and its ReLUs masks."""
    for layer in network.modules():
        if type(layer) is nn.Linear:
            layer.sampling = sampling
            layer.register_buffer("norms", torch.zeros(train_images))
            layer.__class__ = SampledLinear
        elif type(layer) is nn.ReLU:
            layer.__class__ = MaskedReLU
