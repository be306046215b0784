"""One epoch of training, and the accuracy of every local unit."""

from collections.abc import Iterator

import torch

from svp_core.data.loading import ResidentImages, StreamedImages
from svp_core.methods import Method
from svp_core.recipe import learning_rate
from svp_core.runtime import interruption
from svp_core.runtime.meters import Meter
from svp_core.seeds import derive

EVALUATION_BATCH = 500  # images; accuracies do not depend on it


class Epoch:
    """One pass over the training images, which may be left after any step and entered again."""

    def __init__(
        self, number: int, images: ResidentImages | StreamedImages, recipe: dict, seed: int
    ):
        self.number, self.images, self.recipe, self.seed = number, images, recipe, seed
        self.steps = len(images) // recipe["batch_size"]
        self.step, self.meter = 0, Meter(images.device)
        self.total = torch.zeros((), device=images.device)  # of the losses, (units,)
        torch.manual_seed(derive(seed, "noise", number))

    def enter(self, position: dict) -> None:
        """Continue where another process paused."""
        self.step = position["step"]
        self.meter.add(position["seconds"], position["joules"])
        self.total = position["total"].to(self.images.device)
        torch.set_rng_state(position["noise"])
        if self.images.device.type == "cuda" and position["cuda_noise"] is not None:
            torch.cuda.set_rng_state(position["cuda_noise"], self.images.device)

    def train(self, method: Method) -> Iterator[None]:
        """Take the steps that are left, in the order of this seed and epoch; yield after each."""
        method.train()
        self.meter.start()
        for batch in self.images.shuffled(
            self.recipe["batch_size"], self.seed, self.number, self.step
        ):
            self.meter.start()  # it stands after a pause
            method.set_learning_rate(self.rate(self.step))
            self.total = self.total + method.step(*batch)
            self.step += 1
            yield

    def rate(self, step: int) -> float:
        return learning_rate(self.number - 1 + (step + 0.5) / self.steps, self.recipe)

    def pause(self) -> dict:
        """Stop the clock and return what `enter` needs to go on with the same numbers."""
        device = self.images.device
        self.meter.stop()
        is_cuda = device.type == "cuda"
        return {
            "step": self.step,
            "seconds": self.meter.seconds,
            "joules": self.meter.joules,
            "total": self.total.cpu(),
            "noise": torch.get_rng_state(),
            "cuda_noise": torch.cuda.get_rng_state(device) if is_cuda else None,
        }

    def entry(self) -> dict:
        """Return the entry of the finished epoch in the curves.

        It has epoch, learning_rate (of the last step), block_loss (mean over the steps, one value a
        local unit, in nats), seconds (of the steps and their batches, synchronised) and joules (the
        GPU's meanwhile, None without a counter).
        """
        self.pause()
        return {
            "epoch": self.number,
            "learning_rate": self.rate(self.steps - 1),
            "block_loss": (self.total / self.steps).tolist(),
            "seconds": self.meter.seconds,
            "joules": self.meter.joules,
        }


@torch.no_grad()
def evaluate(method: Method, images: ResidentImages | StreamedImages) -> dict:
    """Return `test_accuracy`, of the network, and `block_accuracy`, of its units, in percent."""
    method.eval()
    correct = torch.zeros((), dtype=torch.long, device=images.device)
    for batch, labels in images.in_order(EVALUATION_BATCH):
        interruption.check()
        logits = method.predict(batch)
        hits = [(one.argmax(dim=1) == labels).sum() for one in (*logits, method.decide(logits))]
        correct = correct + torch.stack(hits)
    *units, network = (100 * correct.double() / len(images)).tolist()
    return {"test_accuracy": network, "block_accuracy": units}
