"""Dense layers and convolutions whose weights are N(mu, sigma^2) where active, and else 0.

mu is the layer's `weight`, sigma = softplus(rho); biases are no random variables. In training, sums
are sampled rather than weights (local reparameterisation, arXiv 1506.02557), of every image anew:
y = x mu + sqrt(x^2 sigma^2 + 1e-8) eps. Elsewhere a layer computes with mu, or with drawn weights.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import log, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.bayes.options import PosteriorOptions
from svp_core.seeds import derive

FLOOR = 1e-8  # of the variance of a sum
MEAN_STD = 0.01  # of initial means
SIGMA, SIGMA_STD = 0.0006, 0.0005  # of initial sigmas
SMALLEST = 1e-6  # of sigmas that are drawn


class Stochastic(nn.Module):
    """What both kinds of layers have in common; `product` is that of inputs and weights."""

    rho: nn.Parameter
    mask: Tensor | None  # of the shape of the weight, bool; None if all are active
    drawn: Tensor | None  # weights that take the place of the distribution
    is_sampled: bool  # whether sums are sampled in training

    def forward(self, inputs: Tensor) -> Tensor:
        if self.drawn is not None:
            return self.product(inputs, self.drawn, self.bias)
        mean = self.product(inputs, self.weight, self.bias)
        if not (self.training and self.is_sampled):
            return mean
        variance = self.product(inputs.square(), self.sigma().square(), None)
        return mean + (variance + FLOOR).sqrt() * torch.randn_like(mean)

    def sigma(self) -> Tensor:
        """Return sigma of every weight, 0 where it is not active."""
        sigma = F.softplus(self.rho)
        return sigma if self.mask is None else sigma * self.mask

    def divergence(self, prior: float) -> Tensor:
        """Return KL(q || N(0, prior^2)) of the active weights, in nats."""
        sigma = F.softplus(self.rho)
        squares = (sigma.square() + self.weight.square()) / (2 * prior**2)
        terms = squares - sigma.log() + (log(prior) - 0.5)
        return (terms if self.mask is None else terms * self.mask).sum()

    def draw(self, generator: torch.Generator) -> Tensor:
        """Return weights drawn from the distribution; the generator is of the CPU."""
        normal = torch.randn(self.weight.shape, generator=generator).to(self.weight)
        return torch.addcmul(self.weight.detach(), self.sigma().detach(), normal)

    @property
    def active(self) -> int:
        """Return the number of active weights, which is constant."""
        return self.weight.numel() if self.mask is None else count(self.weight, self.density)


class StochasticLinear(Stochastic, nn.Linear):
    """A dense layer."""

    def product(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(inputs, weight, bias)


class StochasticConv2d(Stochastic, nn.Conv2d):
    """A convolution."""

    def product(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return self._conv_forward(inputs, weight, bias)


LAYERS = {nn.Linear: StochasticLinear, nn.Conv2d: StochasticConv2d}


def make_stochastic(network: nn.Module, options: PosteriorOptions, seed: int) -> None:
    """Make every dense layer and convolution of a network stochastic; names stay as they are.

    Masks are drawn, with a fixed number of active weights a layer. A convolution that comes first
    keeps all of its weights.
    """
    found = [(name, one) for name, one in network.named_modules() if type(one) in LAYERS]
    for place, (name, layer) in enumerate(found):
        is_dense = place == 0 and isinstance(layer, nn.Conv2d)
        layer.__class__ = LAYERS[type(layer)]
        generator = torch.Generator().manual_seed(derive(seed, "posterior", name))
        begin(layer, options.means, 1.0 if is_dense else options.density, generator)


@torch.no_grad()
def begin(layer: Stochastic, means: str, density: float, generator: torch.Generator) -> None:
    """Give a layer its initial means, deviations and mask, as the authors' but for `means`."""
    weight = layer.weight
    layer.density, layer.drawn, layer.is_sampled = density, None, True
    if means == "drawn":
        weight.copy_(MEAN_STD * torch.randn(weight.shape, generator=generator))
    else:
        weight.div_(sqrt(density))
    sigma = SIGMA + SIGMA_STD * torch.randn(weight.shape, generator=generator)
    layer.rho = nn.Parameter(sigma.abs().clamp(min=SMALLEST).expm1().log())
    mask = None
    if density < 1:
        places = torch.randperm(weight.numel(), generator=generator)[: count(weight, density)]
        mask = torch.zeros(weight.numel(), dtype=torch.bool)
        mask[places] = True
        mask = mask.view_as(weight)
        weight.mul_(mask)
    layer.register_buffer("mask", mask)


def count(weight: Tensor, density: float) -> int:
    """Return how many weights are active."""
    return max(1, round(density * weight.numel()))


def layers_of(network: nn.Module) -> list[Stochastic]:
    """Return the stochastic layers of a network, in order."""
    return [one for one in network.modules() if isinstance(one, Stochastic)]


@contextmanager
def replaced(layers: Sequence[Stochastic], weights: Sequence[Tensor]) -> Iterator[None]:
    """Let layers compute with these weights for a while."""
    for layer, drawn in zip(layers, weights, strict=True):
        layer.drawn = drawn
    try:
        yield
    finally:
        for layer in layers:
            layer.drawn = None
