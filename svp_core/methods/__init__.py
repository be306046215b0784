"""Training methods, one file each, behind one interface."""

from importlib import import_module

from torch import Tensor, nn, optim

from svp_core.models import Model


class Method(nn.Module):
    """What training and measuring see of a method: a step, a prediction, a state."""

    optimizers: list[optim.Optimizer]

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """Train on one batch (B, C, H, W), (B,); return the losses (units,) before the update."""
        raise NotImplementedError

    def predict(self, images: Tensor) -> list[Tensor]:
        """Return the class logits (B, K) of every local unit; the last is the prediction."""
        raise NotImplementedError

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


def build(name: str, model: Model, classes: int, options: dict, recipe: dict, seed: int) -> Method:
    """Return the method of the file `name`, on the CPU: drawn there, it is the same everywhere."""
    return import_module(f"svp_core.methods.{name}").build(model, classes, options, recipe, seed)
