"""Images whose most probable class is the right one, in percent."""

from torch import Tensor


def total(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return how many of a batch (B, K), (B,) are right."""
    return (log_probabilities.argmax(dim=1) == labels).sum()


def value(total: Tensor, count: int) -> float:
    """Return the percentage."""
    return 100 * total.item() / count
