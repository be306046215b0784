"""One epoch of training, and the accuracy of every local unit."""

import time

import torch

from svp_core.loading import ResidentImages
from svp_core.methods import Method
from svp_core.optimization import learning_rate
from svp_core.seeds import derive

EVALUATION_BATCH = 500  # images; accuracies do not depend on it


def train_epoch(
    method: Method, images: ResidentImages, epoch: int, recipe: dict, seed: int
) -> dict:
    """Train on all images once, in the order of this seed and epoch, and return the curve's entry.

    The entry: epoch, learning_rate (of the last step), block_loss (mean over the steps, one value a
    local unit, in nats) and seconds (of the steps, synchronised).
    """
    torch.manual_seed(derive(seed, "noise", epoch))
    batch_size = recipe["batch_size"]
    steps = len(images) // batch_size
    order = torch.Generator().manual_seed(derive(seed, "order", epoch))
    order = torch.randperm(len(images), generator=order).to(images.labels.device)
    total = torch.zeros((), device=order.device)
    method.train()
    start = clock(order.device)
    for step in range(steps):
        rate = learning_rate(epoch - 1 + (step + 0.5) / steps, recipe)
        method.set_learning_rate(rate)
        chosen = order[step * batch_size : (step + 1) * batch_size]
        total = total + method.step(*images.batch(chosen))
    return {
        "epoch": epoch,
        "learning_rate": rate,
        "block_loss": (total / steps).tolist(),
        "seconds": clock(order.device) - start,
    }


@torch.no_grad()
def evaluate(method: Method, images: ResidentImages) -> list[float]:
    """Return the accuracy of every local unit, in percent."""
    method.eval()
    correct = torch.zeros((), dtype=torch.long, device=images.labels.device)
    for start in range(0, len(images), EVALUATION_BATCH):
        batch, labels = images.batch(slice(start, start + EVALUATION_BATCH))
        hits = [(logits.argmax(dim=1) == labels).sum() for logits in method.predict(batch)]
        correct = correct + torch.stack(hits)
    return (100 * correct.double() / len(images)).tolist()


def clock(device: torch.device) -> float:
    """Return the time in seconds, once the device has done what it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
