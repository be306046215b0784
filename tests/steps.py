"""A step of a small method against autograd of losses, for tests."""

import torch
from networks import SHAPE, batch, build, build_method

RATE = 0.05
SIZES = {"mlp": {"depth": 4, "width": 16}, "cnn": {"depth": 4, "width": 4}}
SIZES |= {"resnet": {"depth": 4, "width": 4}, "vit": {"depth": 3, "width": 16}}


def on(method: str, model: str = "mlp", seed: int = 0, **given):
    settings = {"image_shape": SHAPE, "lr": RATE, "momentum": 0.0} | given
    return build_method(build(model, SHAPE, seed, **SIZES[model]), method, **settings).double()


def data():
    images, labels = batch(SHAPE)
    return images.double(), labels


def moved(method, images, labels):
    """Take a step; return what went into every trained parameter, its gradient, by its name."""
    trained = {name: one for name, one in method.named_parameters() if one.requires_grad}
    before = {name: one.detach().clone() for name, one in trained.items()}
    method.step(images, labels)
    return {name: (before[name] - one.detach()) / RATE for name, one in trained.items()}


def check(method, losses, images, labels):
    """Compare a step with autograd of losses, each with the parameters that it trains."""
    expected = {name: torch.zeros_like(one) for name, one in method.named_parameters()}
    names = {one: name for name, one in method.named_parameters()}
    for loss, trained in losses(method, images, labels):
        trained = [one for one in trained if one.requires_grad]
        found = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
        for one, gradient in zip(trained, found, strict=True):
            if gradient is not None:
                expected[names[one]] += gradient
    for name, gradient in moved(method, images, labels).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-6, atol=1e-10, msg=name)
