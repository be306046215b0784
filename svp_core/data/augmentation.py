"""From pixels to normalised, augmented images: a whole batch at once, on its device.

Every image draws its own numbers, on the CPU: a seed means the same on every device.
"""

import torch
from torch import Generator, Tensor

from svp_core.datasets import Facts


class Preparation:
    """Normalises uint8 images (B, C, H, W) and, given a generator, augments them."""

    def __init__(self, facts: Facts, augmentation: list[str], device: torch.device):
        mean, std = torch.tensor([facts.mean, facts.std], device=device)[:, :, None, None]
        self.scale, self.shift = 1 / (facts.pixel_max * std), mean / std  # each (C, 1, 1)
        self.augmentation = augmentation

    def __call__(self, images: Tensor, generator: Generator | None = None) -> Tensor:
        images = images.float() * self.scale - self.shift
        return images if generator is None else augment(images, self.augmentation, generator)

    def skip(self, shape: tuple[int, ...], generator: Generator) -> None:
        """Draw the numbers of a batch of that shape, (B, C, H, W), without its images."""
        augment(torch.empty(shape, device="meta"), self.augmentation, generator)


def augment(images: Tensor, names: list[str], generator: Generator) -> Tensor:
    """Return normalised images (B, C, H, W), changed by the named augmentations in turn."""
    for name in names:
        images = AUGMENTATIONS[name](images, generator)
    return images


def crop(images: Tensor, generator: Generator) -> Tensor:
    """Shift by up to an eighth of the side (4 of 32 pixels); borders are reflected."""
    down, across = (
        sent(shifts(len(images), length // 8, generator), images.device)
        for length in images.shape[2:]
    )
    _, _, height, width = images.shape
    rows = reflect(torch.arange(height, device=images.device) + down, height)
    columns = reflect(torch.arange(width, device=images.device) + across, width)
    return pick(images, rows, columns)


def flip(images: Tensor, generator: Generator) -> Tensor:
    """Mirror half of the images, left to right."""
    is_flipped = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    return torch.where(sent(is_flipped, images.device), images.flip(3), images)


def cutout(images: Tensor, generator: Generator) -> Tensor:
    """Set a square, of a quarter of the shorter side (8 of 32 pixels), to the mean."""
    is_hidden = torch.ones((), dtype=torch.bool, device=images.device)
    side = min(images.shape[2:]) // 4
    for dimension, length in ((2, images.shape[2]), (3, images.shape[3])):
        start = torch.randint(length - side + 1, (len(images), 1), generator=generator)
        place = torch.arange(length, device=images.device) - sent(start, images.device)
        inside = (place >= 0) & (place < side)  # (B, length)
        is_hidden = is_hidden & inside.unflatten(1, (1, 1, -1) if dimension == 3 else (1, -1, 1))
    return images.masked_fill(is_hidden, 0)  # normalised: the mean is 0


AUGMENTATIONS = {"crop": crop, "flip": flip, "cutout": cutout}


def sent(drawn: Tensor, device: torch.device) -> Tensor:
    """Return what was drawn on the CPU on the device; a GPU need not have done all before it."""
    if device.type != "cuda":
        return drawn.to(device)
    return drawn.pin_memory().to(device, non_blocking=True)


def shifts(count: int, limit: int, generator: Generator) -> Tensor:
    """Integers (count, 1) from -limit to limit."""
    return torch.randint(-limit, limit + 1, (count, 1), generator=generator)


def reflect(places: Tensor, length: int) -> Tensor:
    """Fold places outside 0..length-1 back inside, the border pixel not repeated."""
    return (length - 1) - ((length - 1) - places.abs()).abs()


def pick(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Read rows (B, H) and columns (B, W) of every image."""
    count, channels, _, _ = images.shape
    image = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[:, None, None]
    return images[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
