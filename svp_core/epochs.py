"""One epoch of training, and the accuracy of every local unit."""

import torch

from svp_core.loading import ResidentImages, StreamedImages
from svp_core.meters import clock, energy_counter
from svp_core.methods import Method
from svp_core.optimization import learning_rate
from svp_core.seeds import derive

EVALUATION_BATCH = 500  # images; accuracies do not depend on it


def train_epoch(
    method: Method, images: ResidentImages | StreamedImages, epoch: int, recipe: dict, seed: int
) -> dict:
    """Train on all images once, in the order of this seed and epoch, and return the curve's entry.

    The entry: epoch, learning_rate (of the last step), block_loss (mean over the steps, one value a
    local unit, in nats), seconds (of the steps and their batches, synchronised) and joules (that
    the GPU took meanwhile, None without a counter).
    """
    torch.manual_seed(derive(seed, "noise", epoch))
    batch_size = recipe["batch_size"]
    steps = len(images) // batch_size
    total = torch.zeros((), device=images.device)
    read_energy = energy_counter(images.device) or (lambda: None)
    method.train()
    start, energy = clock(images.device), read_energy()
    for step, batch in enumerate(images.shuffled(batch_size, seed, epoch)):
        rate = learning_rate(epoch - 1 + (step + 0.5) / steps, recipe)
        method.set_learning_rate(rate)
        total = total + method.step(*batch)
    return {
        "epoch": epoch,
        "learning_rate": rate,
        "block_loss": (total / steps).tolist(),
        "seconds": clock(images.device) - start,
        "joules": None if energy is None else read_energy() - energy,
    }


@torch.no_grad()
def evaluate(method: Method, images: ResidentImages | StreamedImages) -> dict:
    """Return `test_accuracy`, of the network, and `block_accuracy`, of its units, in percent."""
    method.eval()
    correct = torch.zeros((), dtype=torch.long, device=images.device)
    for batch, labels in images.in_order(EVALUATION_BATCH):
        logits = method.predict(batch)
        hits = [(one.argmax(dim=1) == labels).sum() for one in (*logits, method.decide(logits))]
        correct = correct + torch.stack(hits)
    *units, network = (100 * correct.double() / len(images)).tolist()
    return {"test_accuracy": network, "block_accuracy": units}
