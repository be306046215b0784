"""Large datasets stream: workers read, check, decode and crop; the rest happens on the device.

One process decides the order, and every image has a seed of its own, so that the numbers do not
depend on how many workers there are.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice, takewhile
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from svp_core.data.augmentation import Preparation
from svp_core.data.decoding import ImageError, decode_rgb
from svp_core.data.files import DataError, reading
from svp_core.data.image_files import ImageFiles, Sample
from svp_core.datasets import Facts
from svp_core.runtime import interruption
from svp_core.seeds import derive

Task = tuple[Sample, int | None]  # an image, and the seed of its crop


class StreamedImages:
    """A split read from its files; `crop` is a random resized crop here."""

    places = None  # nobody asks the workers which images they have read

    def __init__(
        self, files: ImageFiles, facts: Facts, device: torch.device, augmentation: list[str] = ()
    ):
        self.files, self.device = files, device
        self.shape = facts.shape
        self.is_cropped = "crop" in augmentation
        self.prepare = Preparation(facts, [a for a in augmentation if a != "crop"], device)

    def __len__(self) -> int:
        return len(self.files.labels)

    def shuffled(
        self, batch_size: int, seed: int, epoch: int, skipped: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield complete batches of augmented images, the same for every method of a seed.

        The first `skipped` ones are read but not decoded, the others are what they would be.
        """
        base = derive(seed, "augmentation", epoch)
        samples = islice(
            self.files.samples(derive(seed, "order", epoch)), skipped * batch_size, None
        )
        tasks = ((s, derive(base, s.index) if self.is_cropped else None) for s in samples)
        generator = torch.Generator().manual_seed(base)
        for _ in range(skipped):
            self.prepare.skip((batch_size, *self.shape), generator)
        for images, labels in self.read(tasks, batch_size, drop_last=True):
            yield self.prepare(images, generator), labels

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all images, their middle only; the last batch may be smaller."""
        tasks = ((sample, None) for sample in self.files.samples(seed=None))
        for images, labels in self.read(tasks, batch_size, drop_last=False):
            yield self.prepare(images), labels

    def read(self, tasks: Iterable[Task], batch_size: int, drop_last: bool) -> Iterator:
        """Yield uint8 images and labels on the device; raises DataError, which names the file."""
        errors = []

        def until_error() -> Iterator[Task]:
            try:
                yield from takewhile(lambda task: not errors, tasks)
            except DataError as error:
                errors.append(error)

        loader = DataLoader(
            Decoder(list(self.shape[1:])),
            batch_size,
            sampler=until_error(),
            drop_last=drop_last,
            num_workers=workers(),
            worker_init_fn=interruption.ignore,
            collate_fn=collate,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # or it would draw from that of the training
        )
        for batch in loader:  # to its end, so that the workers leave in order
            if isinstance(batch, DataError):
                errors.append(batch)
            elif not errors:
                yield tuple(part.to(self.device, non_blocking=True) for part in batch)
        if errors:
            raise errors[0]


class Decoder(Dataset):
    """What a worker does with an image: read it, check it, decode it, cut it to size."""

    def __init__(self, size: list[int]):
        from torchvision.transforms import v2

        self.random = v2.Compose([v2.RandomResizedCrop(size), v2.PILToTensor()])
        shorter = min(size) * 8 // 7  # 256 for 224
        self.central = v2.Compose([v2.Resize(shorter), v2.CenterCrop(size), v2.PILToTensor()])

    def __getitem__(self, task: Task) -> tuple[Tensor, int] | DataError:
        sample, seed = task
        try:
            image = decode(sample)
        except DataError as error:  # returned: raised here it would arrive as a traceback
            return error
        if seed is None:
            return self.central(image), sample.label
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.random(image), sample.label


def workers() -> int:
    """Return the number of worker processes: as many as the training was given CPUs."""
    return torch.get_num_threads()


def decode(sample: Sample) -> Image.Image:
    """Return the RGB image of a sample; raises DataError naming its file."""
    data = sample.data
    if data is None:
        with reading(sample.where):
            data = Path(sample.where).read_bytes()
        if hashlib.sha256(data).hexdigest() != sample.sha256:
            raise DataError(f"{sample.where} is not the file that was fetched: another SHA-256")
    try:
        return decode_rgb(data)
    except ImageError as error:
        raise DataError(f"{sample.where} is {error}") from error


def collate(items: list) -> tuple[Tensor, Tensor] | DataError:
    """Stack images (B, C, H, W) and labels (B,), unless one of them could not be read."""
    for item in items:
        if isinstance(item, DataError):
            return item
    images, labels = zip(*items, strict=True)
    return torch.stack(images), torch.tensor(labels)
