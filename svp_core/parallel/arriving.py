"""What stands for the images at a later rank: the activations that arrive from the one before."""

from collections.abc import Iterator

import torch
from torch import Tensor

from svp_core.parallel.link import Receiver
from svp_core.parallel.stage import Message, Passed


class Arriving:
    """As many images as the first rank has, after the units of the ranks before."""

    places = None  # only the first rank knows which images they are

    def __init__(self, size: int, receiver: Receiver):
        self.size, self.receiver, self.device = size, receiver, receiver.device

    def __len__(self) -> int:
        return self.size

    def shuffled(
        self, batch_size: int, seed: int, epoch: int, skipped: int = 0
    ) -> Iterator[tuple[Message, list[Tensor]]]:
        """Yield the batches of an epoch; the next one comes while one is trained on.

        None comes after one with which the ranks are interrupted.
        """
        left = self.size // batch_size - skipped
        posted = self.receiver.post() if left else None
        while posted:
            message, left = self.receiver.take(posted), left - 1
            posted = self.receiver.post() if left and int(message.order) <= 0 else None
            yield message, message.batch.labels

    def in_order(self, batch_size: int) -> Iterator[tuple[Passed, Tensor]]:
        """Yield test images as they arrive."""
        for _ in range(0, self.size, batch_size):
            passed = self.receiver.take_object()
            yield passed, passed.labels


@torch.no_grad()
def relay(stage, images, batch_size: int, is_inside: bool) -> None:
    """Pass test images through the units of a rank that is not the last, and on to the next one."""
    stage.eval()
    for batch, labels in images.in_order(batch_size):
        passed = batch if isinstance(batch, Passed) else Passed(labels, batch, [], [])
        stage.sender.send_object(stage.onward(passed, is_inside))
