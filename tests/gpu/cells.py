"""Every method on the small models that it is defined for, on any device."""

from contextlib import AbstractContextManager, nullcontext

import torch
from networks import SHAPE, UNSURE, build, build_method
from networks import batch as images_and_labels
from torch import Tensor
from torch.overrides import TorchFunctionMode

from svp_core.config import options
from svp_core.methods import Method

SIZES = {
    "mlp": {"depth": 3, "width": 16},
    "cnn": {"depth": 4, "width": 4, "stages": 2},
    "resnet": {"depth": 4, "width": 4},
    "vit": {"depth": 2, "width": 16},
}
CELLS = [
    (method, model)
    for method in options.names("methods")
    for model in options.declared("methods", method).models or SIZES
    if model in SIZES
]


def on(device: torch.device, method: str, model: str, **recipe) -> Method:
    """Return a method as it is before its first step, the same on every device."""
    network = build(model, SHAPE, **SIZES[model])
    settings = {"image_shape": SHAPE, "optimizer": "adamw", "lr": 0.01} | recipe
    chosen = UNSURE.get(method)
    return build_method(network, method, method_options=chosen, **settings).place(device)


def batch(method: Method, size: int = 16) -> tuple[Tensor, Tensor]:
    """Return random images and labels, the same on every device, where the method is."""
    images, labels = images_and_labels(SHAPE, size)
    weight = next(method.parameters())
    return images.to(weight), labels.to(weight.device)


def losses_of(
    method: Method, count: int = 3, draws: AbstractContextManager | None = None
) -> Tensor:
    """Take steps on one batch with random numbers of one seed; return their losses, on the CPU."""
    images, labels = batch(method)
    torch.manual_seed(0)
    found = []
    with draws or nullcontext():
        for _ in range(count):
            method.step(images, labels)
            found.append(method.drain()["unit_loss"].cpu())
    return torch.stack(found)


def tensors(method: Method) -> dict[str, Tensor]:
    """Return a copy of all that a method has drawn or learned, on the CPU."""
    return {name: one.detach().cpu().clone() for name, one in method.state_dict().items()}


def differing(one: Method, other: Method) -> list[str]:
    """Return the names of what two methods have that is not equal to the last bit."""
    found = tensors(other)
    return [name for name, value in tensors(one).items() if not torch.equal(value, found[name])]


class DrawnOnTheCPU(TorchFunctionMode):
    """Random numbers of a step are those of the CPU's generator, wherever they are needed.

    A GPU's are others by nature; what is made of them is to be the same.
    """

    LIKE = (torch.rand_like, torch.randn_like)
    PLACED = (torch.rand, torch.randn, torch.randint)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in self.LIKE:
            like, *rest = args
            return function(like.cpu(), *rest, **kwargs).to(like.device)
        if function in self.PLACED and "device" in kwargs:
            return function(*args, **kwargs | {"device": "cpu"}).to(kwargs["device"])
        return function(*args, **kwargs)
