"""Training methods, one file each, behind one interface."""

from contextlib import AbstractContextManager, nullcontext
from importlib import import_module

import torch
from torch import Tensor, nn, optim

from svp_core.models import Model


class Method(nn.Module):
    """What training and measuring see of a method: a step, a prediction, a state."""

    optimizers: list[optim.Optimizer]

    def __init__(self, recipe: dict):
        super().__init__()
        self.label_smoothing = recipe["label_smoothing"]
        self.is_mixed = recipe["precision"] == "bfloat16"
        self.micro_batches = recipe["micro_batches"]

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """Train on one batch (B, C, H, W), (B,); return the losses (units,) before the update."""
        raise NotImplementedError

    def predict(self, images: Tensor) -> list[Tensor]:
        """Return the class logits (B, K) of every local unit, the first next to the image."""
        raise NotImplementedError

    def decide(self, logits: list[Tensor]) -> Tensor:
        """Return what the network as a whole predicts, (B, K), from the units' logits."""
        return logits[-1]

    def autocast(self, device: torch.device) -> AbstractContextManager:
        """Return the context of a forward pass; losses and updates stay in float32."""
        if not self.is_mixed:
            return nullcontext()  # autocast costs time also where it does nothing
        # no cache: it would keep a copy of every weight until the end of the step
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)

    def accumulate(self, loss: Tensor) -> Tensor:
        """Add the gradients of a micro-batch's mean loss; return its share of that of the batch."""
        share = loss / self.micro_batches if self.micro_batches > 1 else loss
        share.backward()
        return share.detach()

    def set_learning_rate(self, lr: float) -> None:
        """Set the rate of the next steps."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr

    def state(self) -> dict:
        """Return all that a later `load_state` needs to continue with the same numbers."""
        optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        return {"modules": self.state_dict(), "optimizers": optimizers}

    def load_state(self, state: dict) -> None:
        """Continue from a `state` of the same config."""
        self.load_state_dict(state["modules"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return the tensor in the precision of losses; float64 stays."""
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor


def update(optimizer: optim.Optimizer) -> None:
    """Apply the gradients and free them."""
    optimizer.step()
    for group in optimizer.param_groups:  # as zero_grad does, without its cost a unit
        for parameter in group["params"]:
            parameter.grad = None


def build(name: str, model: Model, classes: int, options: dict, recipe: dict, seed: int) -> Method:
    """Return the method of the file `name`, on the CPU: drawn there, it is the same everywhere."""
    return import_module(f"svp_core.methods.{name}").build(model, classes, options, recipe, seed)
