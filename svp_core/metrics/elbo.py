"""The layers' lower bounds of the log-likelihood, and whether the theorem holds on these images.

E_i = log q_i(y) - D(q_i, q_{i-1}), in nats, of every image (arXiv 2505.05181). The theorem bounds
log q(y) of the network by their mean over units; an image where that mean is larger is a violation.
By the rule `mean` there can be none, by Jensen's inequality; by `last` nothing forbids it.
"""

import torch
from torch import Tensor

from svp_core.metrics import Inside

ROUNDING = 1e-4  # nats


def of_layers(inside: Inside) -> dict[str, float | list[float]]:
    """Return `unit_elbo`, their mean `elbo`, `log_likelihood`, and `elbo_violations` in percent.

    Violations are of the network and, as `elbo_violations_mean`, of other rules. Nothing where a
    unit has no divergence of single images.
    """
    known = [(one.posterior, one.divergence) for one in inside.layers]
    if not known or any(part is None for pair in known for part in pair):
        return {}
    found = [of_class(posterior, inside.labels) - divergence for posterior, divergence in known]
    bounds = torch.stack(found)  # (L, B)
    network = of_class(inside.predictions.network, inside.labels)
    values = {
        "unit_elbo": bounds.mean(dim=1).tolist(),
        "elbo": bounds.mean().item(),
        "log_likelihood": network.mean().item(),
        "elbo_violations": violations(bounds, network),
    }
    rules = inside.predictions.rules.items()
    return values | {
        f"elbo_violations_{rule}": violations(bounds, of_class(posterior, inside.labels))
        for rule, posterior in rules
    }


def of_class(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the log-probability of the true class (B,) of (B, K)."""
    return log_probabilities.double().gather(1, labels[:, None])[:, 0]


def violations(bounds: Tensor, network: Tensor) -> float:
    """Return the percentage of images whose log-likelihood (B,) is below the mean bound (L, B)."""
    return 100 * (bounds.mean(dim=0) > network + ROUNDING).double().mean().item()
