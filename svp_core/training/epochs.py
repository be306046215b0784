"""One epoch of training."""

from collections.abc import Iterator

import torch

from svp_core.config.options import OptionSet
from svp_core.data.loading import ResidentImages, StreamedImages
from svp_core.graphs import Take
from svp_core.methods import Method
from svp_core.recipe import learning_rate
from svp_core.runtime.meters import Meter
from svp_core.seeds import derive


class Epoch:
    """One pass over the training images, which may be left after any step and entered again."""

    def __init__(
        self, number: int, images: ResidentImages | StreamedImages, recipe: OptionSet, seed: int
    ):
        self.number, self.images, self.recipe, self.seed = number, images, recipe, seed
        self.steps = len(images) // recipe.batch_size
        self.step, self.meter = 0, Meter(images.device)
        torch.manual_seed(derive(seed, "noise", number))

    def enter(self, position: dict) -> None:
        """Continue where another process paused."""
        self.step = position["step"]
        self.meter.add(position["seconds"], position["joules"])
        torch.set_rng_state(position["noise"])
        if self.images.device.type == "cuda" and position["cuda_noise"] is not None:
            torch.cuda.set_rng_state(position["cuda_noise"], self.images.device)

    def train(self, method: Method, take: Take) -> Iterator[None]:
        """Take the steps that are left, in the order of this seed and epoch; yield after each."""
        method.train()
        self.meter.start()
        for batch in self.images.shuffled(
            self.recipe.batch_size, self.seed, self.number, self.step
        ):
            self.meter.start()  # it stands after a pause
            method.set_learning_rate(self.rate(self.step))
            method.places = self.images.places
            take(*batch)
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
            "noise": torch.get_rng_state(),
            "cuda_noise": torch.cuda.get_rng_state(device) if is_cuda else None,
        }

    def entry(self, method: Method) -> dict:
        """Return the entry of the finished epoch in the curves, without what evaluation adds.

        It has epoch, learning_rate (of the last step), unit_loss (mean over the steps, one value a
        unit, in nats), seconds (of the steps and their batches, synchronised), joules (the GPU's
        meanwhile, None without a counter), and as `metrics` what else the method has summed up, a
        mean over the steps: `train_NAME`.
        """
        self.pause()
        means = {name: (total / self.steps).tolist() for name, total in method.drain().items()}
        return {
            "epoch": self.number,
            "learning_rate": self.rate(self.steps - 1),
            "unit_loss": means.pop("unit_loss"),
            "metrics": {f"train_{name}": mean for name, mean in means.items()},
            "seconds": self.meter.seconds,
            "joules": self.meter.joules,
        }
