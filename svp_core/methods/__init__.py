"""Training methods, one file each, behind one interface."""

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import NamedTuple

import torch
from torch import Tensor, nn, optim
from torch.optim.optimizer import ParamsT

from svp_core import models
from svp_core.config.options import OptionSet, fill
from svp_core.config.pairs import ConfigError
from svp_core.models import Model
from svp_core.recipe import build_optimizer, joined, set_rate, unit_groups
from svp_core.task import Task


class Predictions(NamedTuple):
    """Log-probabilities (B, K): of units, of the network, and of it by other rules, by name."""

    units: list[Tensor]
    network: Tensor
    rules: dict[str, Tensor] = {}


class Layer(NamedTuple):
    """What there is at the end of a unit, or of a block where one loss trains all; None: nothing.

    weight is the matrix by which the logits read there are linear in phi(h), but for a constant.
    """

    features: Tensor  # phi(h) (B, d_i)
    projected: Tensor | None = None  # v (B, d0)
    posterior: Tensor | None = None  # log q_i (B, K)
    weight: Tensor | None = None  # (K, d_i)
    divergence: Tensor | None = None  # D(q_i, q_{i-1}) (B,)


class Method(nn.Module):
    """What training and measuring see of a method: steps, what they came to, predictions, a state.

    `loss` and `accumulate` are there to build steps of; a method need not use them.
    """

    optimizers: list[optim.Optimizer]
    fast: Callable[[Tensor, Tensor], None] | None = None  # a step of equal numbers, where it runs
    places: Tensor | None = None  # (B,), of a step's images in the training set, where known

    def __init__(self, recipe: OptionSet):
        super().__init__()
        self.recipe = recipe
        self.is_mixed = recipe.precision == "bfloat16"
        self.micro_batches = recipe.micro_batches
        self.sums: dict[str, Tensor] = {}

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Train on one batch (B, C, H, W), (B,); what it came to is added to the sums."""
        raise NotImplementedError

    def predict(self, images: Tensor) -> Predictions:
        """Return log-probabilities (B, K) of every unit that predicts, and of the network."""
        raise NotImplementedError

    def features(self, images: Tensor) -> list[Tensor]:
        """Return phi(h) (B, d_i) of every unit, the first next to the image."""
        raise NotImplementedError

    def layers(self, images: Tensor) -> list[Layer]:
        """Return what there is at the end of every unit that has features; posteriors end last."""
        features, posteriors = self.features(images), self.predict(images).units
        posteriors = posteriors[max(len(posteriors) - len(features), 0) :]
        before = [None] * (len(features) - len(posteriors))
        pairs = zip(features, [*before, *posteriors], strict=True)
        return [Layer(one, posterior=posterior) for one, posterior in pairs]

    def layer_blocks(self) -> list[nn.Module]:
        """Return the blocks that end at each of the layers; none if that is not known."""
        return []

    def gradients(self, images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return what a unit's blocks follow, and BP through the last reading would, flat vectors.

        One pair a unit; none for a method that has no local gradients. Leaves no trace.
        """
        return []

    def place(self, device: str | torch.device) -> "Method":
        """Move to a device, in the memory layout of the recipe; return the method."""
        is_last = self.recipe.channels_last
        layout = torch.channels_last if is_last else torch.preserve_format
        return self.to(device, memory_format=layout)

    def rhythm(self) -> list[int]:
        """Return the intervals, in steps, of what parts do not do in every step."""
        return sorted({one for part in self.modules() for one in getattr(part, "intervals", ())})

    def go_to(self, step: int) -> None:
        """Take the next step for one (from 0) behind the first ones, in which parts do all."""
        cycle = math.lcm(*self.rhythm())
        for part in self.modules():
            if hasattr(part, "count_from"):
                part.count_from(step, cycle, self.micro_batches)

    def add(self, name: str, value: Tensor) -> None:
        """Add a step's value, such as `unit_loss` (units,), to its sum."""
        self.sums[name] = self.sums[name] + value if name in self.sums else value

    def drain(self) -> dict[str, Tensor]:
        """Return the sums over the steps since the last call: `unit_loss` (units,) and others."""
        sums, self.sums = self.sums, {}
        return sums

    def autocast(self, device: torch.device) -> AbstractContextManager:
        """Return the context of a forward pass; losses and updates stay in float32."""
        if not self.is_mixed:
            return nullcontext()  # autocast costs time also where it does nothing
        # no cache: it would keep a copy of every weight until the end of the step
        return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)

    def loss(self, logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Return the cross-entropy of logits (B, K), to labels (B,) or probabilities (B, K)."""
        settings = {"reduction": reduction, "label_smoothing": self.recipe.label_smoothing}
        return nn.functional.cross_entropy(logits, targets, **settings)

    def accumulate(self, loss: Tensor, keep: bool = False) -> Tensor:
        """Add the gradients of a micro-batch's mean loss; return its share of that of the batch.

        The graph is kept for a further pass if asked for.
        """
        share = loss / self.micro_batches if self.micro_batches > 1 else loss
        share.backward(retain_graph=keep)
        return share.detach()

    def optimizer(self, parameters: ParamsT) -> optim.Optimizer:
        """Return an optimiser of parameters, or groups: the recipe's, unless overridden."""
        return build_optimizer(parameters, self.recipe)

    def unit_optimizers(
        self,
        units: list[list[nn.Parameter]],
        common: Iterable[list[nn.Parameter]] = (),
        together: bool = False,
    ) -> list[optim.Optimizer]:
        """Return one a unit, at its own rate, and one a part that is common; or one of all."""
        groups = [*unit_groups(units, self.recipe), *({"params": one} for one in common)]
        # a step of an optimiser has a price of its own: one does where all updates are made at once
        held = [joined(groups)] if together else [[one] for one in groups]
        return [self.optimizer(one) for one in held]

    def set_learning_rate(self, lr: float) -> None:
        """Set the rate of the next steps."""
        for optimizer in self.optimizers:
            set_rate(optimizer, lr)

    def state(self) -> dict:
        """Return all that a later `load_state` needs to continue with the same numbers."""
        optimizers = [optimizer.state_dict() for optimizer in self.optimizers]
        return {"modules": self.state_dict(), "optimizers": optimizers, "sums": self.sums}

    def load_state(self, state: dict) -> None:
        """Continue from a `state` of the same config."""
        self.load_state_dict(state["modules"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        device = next(self.parameters()).device
        self.sums = {name: value.to(device) for name, value in state["sums"].items()}


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return the tensor in the precision of losses; float64 stays."""
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor


def update(optimizer: optim.Optimizer) -> None:
    """Apply the gradients and free them."""
    optimizer.step()
    for group in optimizer.param_groups:  # as zero_grad does, without its cost a unit
        for parameter in group["params"]:
            parameter.grad = None


def assemble(config: Mapping, task: Task, seed: int) -> Method:
    """Return model and method of a resolved run, or of a cell of a cost sweep, before any step."""
    sizes = fill("models", config["model"], config["model_options"])
    options = fill("methods", config["method"], config["method_options"])
    recipe = fill("", "recipe", config["recipe"])
    model = models.build(config["model"], task.image_shape, sizes, seed)
    return build(config["method"], model, task, options, recipe, seed)


def build(
    name: str, model: Model, task: Task, options: OptionSet, recipe: OptionSet, seed: int
) -> Method:
    """Return the method of the file `name`, on the CPU: drawn there, it is the same everywhere.

    Raises ConfigError for a parameter that would never be trained, and for a head of other classes.
    """
    if model.outputs not in (None, task.classes):
        raise ConfigError(
            f"classes: {task.classes}, but the head of the network returns {model.outputs} values"
        )
    module = import_module(f"svp_core.methods.{name}")
    method = module.build(model, task, options, recipe, seed)
    refuse_untrained(name, method)
    return method


def refuse_untrained(name: str, method: Method) -> None:
    """Raise ConfigError if a parameter wants gradients and no optimiser holds it."""
    groups = (group for optimizer in method.optimizers for group in optimizer.param_groups)
    held = {id(parameter) for group in groups for parameter in group["params"]}
    for key, parameter in method.named_parameters():
        if parameter.requires_grad and id(parameter) not in held:
            raise ConfigError(
                f"method {name}: no optimiser holds the parameter {key}; it would never be trained"
            )
