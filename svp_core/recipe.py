"""Optimiser and learning rate of a recipe, the same for every method."""

from collections.abc import Iterable
from math import cos, pi

from torch import nn, optim


def build_optimizer(parameters: Iterable[nn.Parameter], recipe: dict) -> optim.Optimizer:
    """Return the recipe's optimiser; `fused` keeps temporaries of the size of the model away."""
    lr, decay = recipe["lr"], recipe["weight_decay"]
    if recipe["optimizer"] == "adamw":
        return optim.AdamW(parameters, lr=lr, weight_decay=decay, fused=True)
    momentum = recipe["momentum"]
    return optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=decay, fused=True)


def learning_rate(epochs_done: float, recipe: dict) -> float:
    """Return the rate after a number of epochs: linear warm-up to `lr`, then a cosine to 0."""
    warmup = recipe["warmup_epochs"]
    if epochs_done < warmup:
        return recipe["lr"] * epochs_done / warmup
    progress = (epochs_done - warmup) / max(recipe["epochs"] - warmup, 1e-9)
    return recipe["lr"] * (1 + cos(pi * progress)) / 2
