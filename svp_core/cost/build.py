"""From a cell of a cost sweep to a method and a batch of random images."""

import torch
from torch import Tensor

from svp_core import methods, models


def build(cell: dict) -> methods.Method:
    """Return the method of a cell on the CPU, as it is before the first step."""
    model = models.build(cell["model"], cell["image_shape"], cell["model_options"], seed=0)
    settings = cell["method_options"], cell["recipe"]
    return methods.build(cell["method"], model, cell["classes"], *settings, seed=0)


def random_batch(cell: dict) -> tuple[Tensor, Tensor]:
    """Return images (B, C, H, W) and labels (B,), the same for cells of one size."""
    size, generator = cell["recipe"]["batch_size"], torch.Generator().manual_seed(0)
    images = torch.randn(size, *cell["image_shape"], generator=generator)
    return images, torch.randint(cell["classes"], (size,), generator=generator)
