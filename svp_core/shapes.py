"""What activations of a model look like."""

import torch

from svp_core.models import Model


@torch.no_grad()
def shapes(model: Model, image_shape: tuple[int, int, int]) -> list[torch.Size]:
    """Return the shape of every block's activation, without the batch."""
    found, hidden = [], torch.zeros(1, *image_shape)
    for block in model.blocks.eval():
        hidden = block(hidden)
        found.append(hidden.shape[1:])
    model.blocks.train()
    return found
