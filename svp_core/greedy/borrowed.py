"""Blocks of the architecture of another block, for another input, with weights drawn anew."""

import torch
from torch import nn

from svp_core.models import cnn, resnet, vit


def borrowed(block: nn.Module, before: torch.Size, after: torch.Size) -> nn.Module:
    """Return a block like one of cnn, mlp, resnet or vit for an activation of the shape `before`.

    It has the channels of `after`; a map is halved where these are more than before.
    """
    kinds = {type(one): one for one in block.modules()}
    if len(after) == 1:
        return nn.Sequential(nn.Linear(before[0], after[0]), type(block[-1])())
    if encoder := kinds.get(vit.Encoder):
        is_last = isinstance(block, nn.Sequential)  # the first one is never picked
        norm = [nn.LayerNorm(after[-1])] if is_last else []
        return nn.Sequential(vit.Encoder(after[-1], encoder.heads), *norm)
    halve = after[0] > before[0]
    if residual := kinds.get(resnet.Residual):
        return borrowed_residual(len(residual.branch), before[0], after[0], 2 if halve else 1)
    return cnn.block(before[0], after[0], halve)


def borrowed_residual(layers: int, before: int, after: int, stride: int) -> resnet.Residual:
    """Return a residual block, basic or, by the number of its layers, a bottleneck."""
    is_basic = layers == len(resnet.basic(1, 1, 1))
    make, channels = (resnet.basic, after) if is_basic else (resnet.bottleneck, after // 4)
    return resnet.Residual(make(before, channels, stride), before, stride)
