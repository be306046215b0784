"""Sparse autoencoders of activations: a dictionary of features, of which few are active at a time.

top_k: z = TopK(relu(W_e (x - b) + c)), x' = W_d z + b, with columns of W_d of length 1
(arXiv 2406.04093). variational: z is drawn from a Gaussian of that mean and a learned variance in
training, and pays its KL to a standard normal prior; it is its mean elsewhere (arXiv 2509.22994).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TopK(nn.Module):
    """A dictionary of some times as many features as x (B, d) has entries."""

    def __init__(self, width: int, times: int, active: int):
        super().__init__()
        self.active = active
        self.encoder = nn.Linear(width, times * width)
        self.decoder = nn.Linear(times * width, width)
        with torch.no_grad():
            self.encoder.weight.copy_(F.normalize(self.decoder.weight, dim=0).T)

    def encode(self, values: Tensor) -> Tensor:
        """Return the features (B, n d), all but a few of them 0, as they are read."""
        return self.sparse(self.encoder(values - self.decoder.bias))

    def sparse(self, dense: Tensor) -> Tensor:
        largest = dense.relu().topk(self.active, dim=1)
        return torch.zeros_like(dense).scatter(1, largest.indices, largest.values)

    def decode(self, features: Tensor) -> Tensor:
        """Return x' (B, d)."""
        return F.linear(features, F.normalize(self.decoder.weight, dim=0), self.decoder.bias)

    def loss(self, values: Tensor) -> Tensor:
        """Return the mean squared error an entry, and what else it pays."""
        return F.mse_loss(self.decode(self.encode(values)), values)


class Variational(TopK):
    """The same, drawn from a Gaussian posterior; `kl_weight` is that of an entry of x."""

    def __init__(self, width: int, times: int, active: int, kl_weight: float):
        super().__init__(width, times, active)
        self.kl_weight = kl_weight
        self.log_variance = nn.Linear(width, times * width)
        nn.init.zeros_(self.log_variance.weight)
        nn.init.constant_(self.log_variance.bias, -4.0)

    def loss(self, values: Tensor) -> Tensor:
        centred = values - self.decoder.bias
        mean, log_variance = self.encoder(centred), self.log_variance(centred)
        drawn = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        error = F.mse_loss(self.decode(self.sparse(drawn)), values)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2
        return error + self.kl_weight * divergence.mean() / values.shape[1]


def train(autoencoder: TopK, values: Tensor, steps: int, lr: float = 0.003) -> None:
    """Fit an autoencoder to activations (N, d) by so many steps of Adam."""
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=lr, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        loss = autoencoder.loss(values[torch.randint(len(values), (128,))])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def quality(autoencoder: TopK, seen: Tensor, values: Tensor, labels: Tensor) -> dict[str, float]:
    """Return what features tell of activations (N, d) with labels (N,); `seen` trained them.

    explained: share of the variance; dead: share of features that no image of `seen` activates;
    purity: of the others' activation, the share that their main class has, mean over features.
    """
    features = autoencoder.encode(values)
    error = (autoencoder.decode(features) - values).square().sum()
    spread = (values - values.mean(dim=0)).square().sum()
    is_alive = (autoencoder.encode(seen) > 0).any(dim=0)
    return {
        "explained": (1 - error / spread).item(),
        "dead": 1 - is_alive.double().mean().item(),
        "purity": purity(features, labels),
    }


def purity(features: Tensor, labels: Tensor) -> float:
    """Return the mean share that the main class has in what activates features (N, n)."""
    totals = features.T @ F.one_hot(labels).to(features.dtype)  # (n, K)
    used = totals[totals.sum(dim=1) > 0]
    return (used.max(dim=1).values / used.sum(dim=1)).mean().item()
