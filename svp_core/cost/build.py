"""From a cell of a cost sweep to a method and a batch of random images."""

import torch
from torch import Tensor

from svp_core import methods
from svp_core.task import Task


def build(cell: dict) -> methods.Method:
    """Return the method of a cell on the CPU, as it is before the first step."""
    task = Task(tuple(cell["image_shape"]), cell["classes"], cell["recipe"]["batch_size"])
    method = methods.assemble(cell, task, seed=0)
    method.places = torch.arange(task.train_images)
    return method


def random_batch(cell: dict) -> tuple[Tensor, Tensor]:
    """Return images (B, C, H, W) and labels (B,), the same for cells of one size."""
    size, generator = cell["recipe"]["batch_size"], torch.Generator().manual_seed(0)
    images = torch.randn(size, *cell["image_shape"], generator=generator)
    return images, torch.randint(cell["classes"], (size,), generator=generator)
