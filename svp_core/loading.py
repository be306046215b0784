"""Small datasets live on the device as one uint8 tensor: no worker processes, no copies a step."""

import torch
from torch import Tensor

from svp_core.datasets import Facts, Split


class ResidentImages:
    """A split on the device; batches are normalised as they are read."""

    def __init__(self, split: Split, facts: Facts, device: torch.device):
        self.images = torch.from_numpy(split.images).to(device)
        self.labels = torch.from_numpy(split.labels).to(device)
        mean, std = torch.tensor([facts.mean, facts.std], device=device)[:, :, None, None]
        self.scale, self.shift = 1 / (facts.pixel_max * std), mean / std  # each (C, 1, 1)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, chosen: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Return normalised images (B, C, H, W) and labels (B,)."""
        return self.images[chosen].float() * self.scale - self.shift, self.labels[chosen]
