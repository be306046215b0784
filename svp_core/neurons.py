"""Bias and variance of the gradients of stochastic neurons, against exact ones of a small layer.

python -m svp_core.neurons --output results/tables/neurons.csv

A layer of 8 neurons is read by a random projection to 3 classes. The gradient of the expected loss
with respect to what the neurons are given is exact: Bernoulli neurons have 256 states, which are
enumerated, and Gaussian noise of the 3 readings is integrated by Gauss-Hermite quadrature.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from svp_core import local, tables
from svp_core.runtime import commands
from svp_core.runtime.device import prepare
from svp_core.seeds import derive

NEURONS, CLASSES, IMAGES, NODES = 8, 3, 16, 24
ESTIMATORS = {  # by what the table calls them: a file of local/neurons, and its option
    ("bernoulli_st", "mean"): {"slope": "mean"},
    ("bernoulli_st", "identity"): {"slope": "identity"},
    ("bernoulli_reinforce", "none"): {"score_baseline": "none"},
    ("bernoulli_reinforce", "leave_one_out"): {"score_baseline": "leave_one_out"},
}
NOISES = (0.3, 1.0)  # standard deviations of the reparameterised Gaussian
GAINS = (0.5, 1.0, 2.0)  # standard deviations of what the neurons are given

Losses = Callable[[Tensor], Tensor]  # of what is read (..., B, d), by image (..., B)


@commands.command()
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0."""
    parser = commands.Parser(prog="python -m svp_core.neurons", description=__doc__)
    whole = {"type": commands.integer(2)}
    parser.add_argument("--draws", **whole, default=10000, help="of a gradient (10000)")
    parser.add_argument("--layers", **whole, default=3, help="random layers of each gain (3)")
    parser.add_argument("--output", type=Path, required=True, help="table to write (CSV)")
    given = parser.parse_args(arguments)
    prepare(1)
    with tables.exit_on_error():
        frame = tables.from_rows(list(rows(given)), "neurons")
        tables.write({given.output: tables.csv_bytes(frame)})
    return 0


def rows(given: argparse.Namespace) -> Iterator[dict]:
    """Yield a row a layer and estimator."""
    for gain, seed in product(GAINS, range(given.layers)):
        torch.manual_seed(derive(seed, "neurons"))
        features = gain * torch.randn(IMAGES, NEURONS, dtype=torch.float64)
        projection = torch.randn(CLASSES, NEURONS, dtype=torch.float64) / NEURONS**0.5
        labels = torch.randint(CLASSES, (IMAGES,))
        losses = partial(read_losses, projection=4 * projection, labels=labels)
        place = {"gain": gain, "seed": seed, "draws": given.draws}
        exact = enumerated(features, losses)
        for (name, option), options in ESTIMATORS.items():
            neurons = local.load("neurons", name).build(SimpleNamespace(**options)).train()
            found = sampled(features, losses, neurons, given.draws)
            yield place | {"neurons": name, "setting": option} | compared(found, exact)
        for noise in NOISES:
            losses_of_v = partial(class_losses, labels=labels)
            exact = integrated(features, 4 * projection, losses_of_v, noise)
            found = noisy(features, 4 * projection, losses_of_v, noise, given.draws)
            yield place | {"neurons": "gaussian", "setting": f"{noise:g}"} | compared(found, exact)


def class_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy (..., B) of logits (..., B, K)."""
    many = logits.reshape(-1, logits.shape[-1])
    known = labels.expand(logits.shape[:-1]).reshape(-1)
    return F.cross_entropy(many, known, reduction="none").view(logits.shape[:-1])


def read_losses(read: Tensor, projection: Tensor, labels: Tensor) -> Tensor:
    """Return the losses of what is read (..., B, d)."""
    return class_losses(read @ projection.T, labels)


def gradient(loss: Tensor, features: Tensor) -> Tensor:
    return torch.autograd.grad(loss, features)[0].flatten()


def enumerated(features: Tensor, losses: Losses) -> Tensor:
    """Return the gradient of the mean over images of E[L], all states of the neurons summed."""
    features = features.detach().requires_grad_()
    states = torch.tensor(list(product([-1.0, 1.0], repeat=features.shape[1]))).to(features)
    chances = F.logsigmoid(states[:, None] * features).sum(dim=2).exp()  # (2^d, B)
    of_states = losses(states[:, None].expand(-1, len(features), -1))
    return gradient((chances * of_states).sum(dim=0).mean(), features)


def sampled(features: Tensor, losses: Losses, neurons, draws: int) -> Tensor:
    """Return as many gradients (draws, B d) as neurons make of draws of their own."""
    found = []
    for _ in range(draws):
        given = features.detach().requires_grad_()
        read = neurons(given)
        of_images = losses(read)
        loss = of_images.mean()
        if score := getattr(neurons, "score", None):
            loss = loss + score(of_images)
        found.append(gradient(loss, given))
    return torch.stack(found)


def integrated(features: Tensor, projection: Tensor, losses: Losses, noise: float) -> Tensor:
    """Return the gradient of the mean of E[L] where v has Gaussian noise, by quadrature."""
    features = features.detach().requires_grad_()
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    places = torch.tensor(list(product(nodes, repeat=len(projection)))).to(features)
    parts = torch.tensor(list(product(weights / weights.sum(), repeat=len(projection))))
    shifted = features @ projection.T + noise * places[:, None]
    return gradient((parts.prod(dim=1)[:, None] * losses(shifted)).sum(dim=0).mean(), features)


def noisy(features: Tensor, projection: Tensor, losses: Losses, noise: float, draws: int) -> Tensor:
    """Return gradients (draws, B d) of what option `noise` adds to v in training."""
    found = []
    for _ in range(draws):
        given = features.detach().requires_grad_()
        values = given @ projection.T
        found.append(gradient(losses(values + noise * torch.randn_like(values)).mean(), given))
    return torch.stack(found)


def compared(found: Tensor, exact: Tensor) -> dict[str, float]:
    """Return bias and variance of gradients (draws, n), relative to the exact one and its square.

    bias_error is the bias that an unbiased gradient would show with so few draws; cosine is that
    of their mean and the exact one.
    """
    size, spread = exact.norm(), found.var(dim=0).sum()
    middle = found.mean(dim=0)
    return {
        "bias": ((middle - exact).norm() / size).item(),
        "bias_error": ((spread / len(found)).sqrt() / size).item(),
        "variance": (spread / size**2).item(),
        "cosine": F.cosine_similarity(middle, exact, dim=0).item(),
    }


if __name__ == "__main__":
    sys.exit(main())
