"""Networks as other people write them, by functions of no arguments, small enough for tests."""

from functools import partial

import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F


def mlp(classes: int = 10) -> nn.Module:
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU()),
        nn.Linear(32, classes),
    )


def mlp_blocks() -> nn.Module:
    """The network of the model `mlp` of depth 2 and width 32, which has no head."""
    return mlp()[:-1]


def resnet18(classes: int = 10) -> nn.Module:
    network = torchvision.models.resnet18(num_classes=classes)
    network.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    return network


def vit(classes: int = 10) -> nn.Module:
    """The network of the model `vit` of depth 2, width 16 and 2 heads, at patches of 2 pixels."""
    return timm.models.VisionTransformer(
        img_size=8, patch_size=2, in_chans=1, embed_dim=16, depth=2, num_heads=2,
        num_classes=classes, class_token=False, global_pool="avg", fc_norm=False,
        norm_layer=partial(nn.LayerNorm, eps=1e-5),
    )  # fmt: skip


class Functional(nn.Module):
    """Activations are functions here, and the first features are added to the last."""

    def __init__(self, drops: bool = False, doubles: bool = False):
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(64, 64) for _ in range(3))
        self.head, self.drops, self.doubles = nn.Linear(64, 10), drops, doubles

    def forward(self, images, scale=None):
        early = F.relu(self.first(images.flatten(1)))
        if self.drops:
            early = F.dropout(early, 0.5, self.training)
        hidden = early + F.relu(self.second(early))
        late = torch.relu(self.third(hidden))
        return (self.head(late), hidden) if self.doubles else self.head(late)
