"""Models and methods of any size, for tests."""

import io

import torch
from torch import nn

from svp_core import methods, models
from svp_core.config.options import fill
from svp_core.task import Task

SHAPE = (1, 8, 8)
# options by which a few random images are not told apart at once, so that there is a loss
UNSURE = {"local_lda": {"d0": 4, "shrinkage": 3.0}}


def build(name: str, image_shape=(3, 32, 32), seed: int = 0, **given) -> models.Model:
    """Return a model with these options, defaults elsewhere."""
    return models.build(name, image_shape, fill("models", name, given), seed)


def build_method(
    model: models.Model,
    method: str = "bp",
    classes: int = 10,
    method_options: dict | None = None,
    image_shape: tuple[int, int, int] = (3, 32, 32),
    **recipe,
) -> methods.Method:
    """Return the method on a model of such images, with these options and this recipe (sgd)."""
    chosen = fill("methods", method, method_options or {})
    filled = fill("", "recipe", {"optimizer": "sgd"} | recipe)
    task = Task(image_shape, classes, train_images=1000)
    return methods.build(method, model, task, chosen, filled, seed=0)


def on_three_blocks(method: str = "svp", **settings) -> methods.Method:
    """Return a method on an MLP for images of SHAPE."""
    model = build("mlp", SHAPE, depth=3, width=16)
    return build_method(model, method, image_shape=SHAPE, **settings)


def saved(method: methods.Method) -> dict:
    """Return the state of a method as a checkpoint gives it back."""
    file = io.BytesIO()
    torch.save(method.state(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def batch(image_shape: tuple[int, ...], size: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random images and labels, the same for equal arguments."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(size, *image_shape, generator=generator)
    return images, torch.randint(0, 10, (size,), generator=generator)


def losses_of_step(
    method: methods.Method, images: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Take a step and return its losses (units,)."""
    method.drain()
    method.step(images, labels)
    return method.drain()["unit_loss"]


def count(module: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
