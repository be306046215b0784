"""Small datasets live on the device as one uint8 tensor: no worker processes, no copies a step."""

from collections.abc import Iterator
from copy import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from svp_core import datasets
from svp_core.data.augmentation import Preparation
from svp_core.data.streaming import StreamedImages
from svp_core.datasets import Facts, Split
from svp_core.seeds import derive


class ResidentImages:
    """A split on the device; batches are normalised, and augmented, as they are read."""

    def __init__(
        self, split: Split, facts: Facts, device: torch.device, augmentation: list[str] = ()
    ):
        self.images = torch.from_numpy(split.images).to(device)
        self.labels = torch.from_numpy(split.labels).to(device)
        self.device = device
        self.prepare = Preparation(facts, augmentation, device)
        self.places: Tensor | None = None  # (B,), of the images that `shuffled` yielded last

    def __len__(self) -> int:
        return len(self.labels)

    def shuffled(
        self, batch_size: int, seed: int, epoch: int, skipped: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield complete batches of augmented images, the same for every method of a seed.

        The first `skipped` ones are left out, the others are what they would be after them.
        """
        generator = torch.Generator().manual_seed(derive(seed, "order", epoch))
        order = torch.randperm(len(self), generator=generator).to(self.device)
        generator.manual_seed(derive(seed, "augmentation", epoch))
        for _ in range(skipped):
            self.prepare.skip((batch_size, *self.images.shape[1:]), generator)
        for start in range(skipped * batch_size, len(self) - batch_size + 1, batch_size):
            chosen = order[start : start + batch_size]
            self.places = chosen
            yield self.prepare(self.images[chosen], generator), self.labels[chosen]

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all images as they are; the last batch may be smaller."""
        for start in range(0, len(self), batch_size):
            chosen = slice(start, start + batch_size)
            yield self.prepare(self.images[chosen]), self.labels[chosen]


def load_images(
    config: dict, data_dir: Path, device: torch.device
) -> list[ResidentImages] | list[StreamedImages]:
    """Return training and test images of a resolved config; raises DataError.

    Where `validation_images` are asked for, those take the place of the test images.
    """
    facts, recipe = datasets.facts(config["dataset"]), config["recipe"]
    train, test = datasets.load(config["dataset"], data_dir)
    if recipe["train_images"] is not None:
        chosen = stratified(train.labels, recipe["train_images"])
        if recipe["validation_images"] is not None:
            both = stratified(train.labels, len(chosen) + recipe["validation_images"])
            test = train.subset(np.setdiff1d(both, chosen))
        train = train.subset(chosen)
    images = ResidentImages if isinstance(train, Split) else StreamedImages
    return [images(train, facts, device, recipe["augmentation"]), images(test, facts, device)]


def subset(images: ResidentImages | StreamedImages, size: int) -> ResidentImages | StreamedImages:
    """Return so many of the images, of every class in proportion; all if there are fewer."""
    part = copy(images)
    if isinstance(images, StreamedImages):
        part.files = images.files.subset(stratified(images.files.labels, size))
    else:
        chosen = torch.from_numpy(stratified(images.labels.cpu().numpy(), size)).to(images.device)
        part.images, part.labels = images.images[chosen], images.labels[chosen]
    return part


def stratified(labels: np.ndarray, size: int) -> np.ndarray:
    """Return `size` sorted indices, every class in proportion, the same in every run.

    A smaller subset is contained in a larger one.
    """
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0)).numpy()
    rank = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        rank[members] = np.arange(len(members)) / len(members)
    return np.sort(order[np.argsort(rank[order], kind="stable")[:size]])
