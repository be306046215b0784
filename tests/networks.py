"""Models and methods of any size, for tests."""

import torch
from torch import nn

from svp_core import methods, models
from svp_core.config import checked, options, schema


def build(name: str, image_shape=(3, 32, 32), seed: int = 0, **given) -> models.Model:
    """Return a model with these options, defaults elsewhere."""
    return models.build(name, image_shape, options("model", name, given), seed)


def build_method(
    model: models.Model, method: str = "bp", classes: int = 10, **recipe
) -> methods.Method:
    """Return the method on a model, with default options and this recipe (sgd)."""
    settings = options("method", method, {})
    recipe = checked({"optimizer": "sgd"} | recipe, schema()["$defs"]["recipe"], "recipe.")
    return methods.build(method, model, classes, settings, recipe, seed=0)


def batch(image_shape: tuple[int, ...], size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random images and labels, the same for equal arguments."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(size, *image_shape, generator=generator)
    return images, torch.randint(0, 10, (size,), generator=generator)


def count(module: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
