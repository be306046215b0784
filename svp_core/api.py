"""Train a network of one's own by any method of the suite, from any batches: svp_core.Trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn, optim

from svp_core import config, methods, models, pooling
from svp_core.config.options import fill
from svp_core.config.pairs import ConfigError
from svp_core.config.run import ModelOptions, Run
from svp_core.cost import memory
from svp_core.cost.flops import count_flops
from svp_core.cost.plan import aligned
from svp_core.cost.twin import fake_twin
from svp_core.cutting import cut
from svp_core.proposal import Network, find_units
from svp_core.recipe import learning_rate
from svp_core.task import Task
from svp_core.training.evaluation import evaluate

Reduce = Callable[[Tensor], Tensor]
NORMS = nn.modules.batchnorm._BatchNorm


class BatchError(ValueError):
    """A batch or loader that cannot be trained or tested on; the message says why."""


class Evaluation(NamedTuple):
    """What a trainer's predictions came to; accuracies in percent."""

    accuracy: float
    unit_accuracy: list[float]
    metrics: dict[str, float | list[float]]


class Sizes(ModelOptions):
    """What options of a method are checked against."""

    depth: int


class Loader:
    """Batches of a loader on a device, as an evaluation reads them."""

    def __init__(self, trainer: Trainer, batches: Iterable):
        self.trainer, self.batches, self.count = trainer, batches, 0

    def in_order(self, _: int) -> Iterable[tuple[Tensor, Tensor]]:
        for images, labels in self.batches:
            self.count += len(labels)
            yield self.trainer.checked(images, labels)
        if not self.count:
            raise BatchError("the loader has no images")

    def __len__(self) -> int:
        return self.count


class Trainer:
    """A network in training: `step` after `step`, then `evaluate`. The network itself is trained.

    network: a module, cut after the modules whose paths are `units` (proposed if None), or a list
    of modules, the blocks. Keywords that are not named here are options of the method, such as
    `readout="lda"`; those and `recipe` are in docs/options.md. Raises ConfigError.
    """

    def __init__(
        self,
        network: Network,
        *,
        classes: int,
        image_shape: Sequence[int],  # of one image, (C, H, W)
        units: Sequence[str] | None = None,
        method: str = "svp",
        pool: str | Reduce = "avg",  # phi, as of the model `own`
        grid: int = 4,
        recipe: Mapping[str, Any] | None = None,
        steps_per_epoch: int | None = None,  # the rate follows the recipe, else it is constant
        optimizer: Callable[[list[nn.Parameter]], optim.Optimizer] | None = None,
        scheduler: Callable[[optim.Optimizer], optim.lr_scheduler.LRScheduler] | None = None,
        seed: int = 0,  # of what the method draws
        **options: Any,
    ):
        if steps_per_epoch and (optimizer or scheduler):
            raise ConfigError("steps_per_epoch: of the recipe's own schedule and optimiser")
        config.require_file("method", method)
        self.network, self.classes, self.image_shape = network, classes, tuple(image_shape)
        self.recipe = fill("", "recipe", recipe or {}, "recipe.")
        if optimizer and self.recipe.lr_ratio != 1:
            raise ConfigError("recipe.lr_ratio: of the recipe's own optimiser")
        self.again = partial(  # the same on another copy of the network
            Trainer, classes=classes, image_shape=image_shape, units=units, method=method,
            pool=pool, grid=grid, recipe={**(recipe or {}), "channels_last": False},
            optimizer=optimizer, seed=seed, **options,
        )  # fmt: skip
        if self.recipe.cuda_graphs:
            raise ConfigError("recipe.cuda_graphs: a Trainer has none; leave false")
        device = self.gather()
        found = fill("methods", method, options)
        self.method = self.build(units, method, found, reduction(pool, grid), seed)
        if optimizer is not None:
            own = [optimizer(parameters_of(one)) for one in self.method.optimizers]
            self.method.optimizers[:] = own
        self.schedulers = [scheduler(one) for one in self.method.optimizers] if scheduler else []
        self.steps, self.steps_per_epoch = 0, steps_per_epoch
        self.has_norm = any(isinstance(one, NORMS) for one in self.method.modules())
        if device.type != "cpu" or self.recipe.channels_last:
            self.to(device)

    def gather(self) -> torch.device:
        """Move the network to the CPU, where methods are built; return where it was."""
        modules = [self.network] if isinstance(self.network, nn.Module) else list(self.network)
        parameters = [one for module in modules for one in module.parameters()]
        device = parameters[0].device if parameters else torch.device("cpu")
        for module in modules if device.type != "cpu" else ():
            module.cpu()
        return device

    def build(self, units, name: str, options, reduce: Reduce, seed: int) -> methods.Method:
        """Return the method on the blocks of the network; raises ConfigError."""
        units = find_units(self.network) if units is None else units
        model = models.of_blocks(*cut(self.network, units), reduce, self.image_shape)
        sizes = Sizes(depth=len(model.blocks))
        chosen = "own", sizes, name, options, self.recipe
        run = Run(self.image_shape, self.classes, None, *chosen, lambda: model.widths)
        for offence in config.offences(run):
            raise ConfigError(offence.removeprefix("method_options."))
        task = Task(self.image_shape, self.classes, self.recipe.train_images or 0)
        return methods.build(name, model, task, options, self.recipe, seed)

    @property
    def device(self) -> torch.device:
        return next(self.method.parameters()).device

    @property
    def optimizers(self) -> list[optim.Optimizer]:
        """The optimisers, one a unit where units are updated one by one."""
        return self.method.optimizers

    def to(self, device: str | torch.device) -> Trainer:
        """Move network, method and optimisers; return the trainer."""
        self.method.place(device)
        for one in self.optimizers:
            one.load_state_dict(one.state_dict())  # which moves its tensors to their parameters
        return self

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """Train on a batch (B, C, H, W), (B,) of floats and class numbers; return losses (units,).

        Raises BatchError before anything is changed.
        """
        images, labels = self.checked(images, labels)
        parts = self.recipe.micro_batches
        if len(labels) % parts:
            raise BatchError(f"{len(labels)} images are not {parts} equal parts (micro_batches)")
        if self.has_norm and len(labels) == parts:
            raise BatchError("one image: batch norm needs more; a DataLoader has drop_last=True")
        if self.steps_per_epoch:
            epoch, place = divmod(self.steps, self.steps_per_epoch)
            done = epoch + (place + 0.5) / self.steps_per_epoch
            self.method.set_learning_rate(learning_rate(done, self.recipe))
        self.method.train()
        self.method.step(images, labels)
        for one in self.schedulers:
            one.step()
        self.steps += 1
        return self.method.drain()["unit_loss"]

    def checked(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return a batch on the device; raises BatchError."""
        if not images.is_floating_point() or tuple(images.shape[1:]) != self.image_shape:
            raise BatchError(
                f"images: {tuple(images.shape)} of {images.dtype}, not floats of (B,"
                f" {', '.join(map(str, self.image_shape))})"
            )
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            raise BatchError(
                f"labels: {tuple(labels.shape)} of {labels.dtype}, not int64 of ({len(images)},)"
            )
        if not len(labels):
            raise BatchError("the batch has no images")
        if labels.device.type == "cpu" and not 0 <= labels.min() <= labels.max() < self.classes:
            strange = next(label for label in labels.tolist() if not 0 <= label < self.classes)
            raise BatchError(f"labels: {strange} is no class of 0..{self.classes - 1}")
        images, labels = (one.to(self.device, non_blocking=True) for one in (images, labels))
        return images, labels

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """Return the log-probabilities (B, K) of the network."""
        self.method.eval()
        return self.method.predict(images.to(self.device)).network

    def evaluate(self, batches: Iterable, metrics: Sequence[str] = ()) -> Evaluation:
        """Return accuracies, and metrics of svp_core/metrics by name, of all images of a loader.

        Raises BatchError for a batch that is wrong, or if there is none.
        """
        for name in metrics:
            config.require_file("metric", name)
        found = evaluate(self.method, Loader(self, batches), list(metrics))
        return Evaluation(*found.values())

    def count(self, batch_size: int) -> int:
        """Return the FLOPs of a training step, nothing of which is computed."""
        return self.simulate(count_flops, batch_size)

    def peak_memory(self, batch_size: int) -> dict[str, int]:
        """Return the bytes of a step's tensors at its peak, by kind, and `activations` saved."""
        return self.simulate(memory.measure_step, batch_size)

    def simulate(self, measure: Callable, batch_size: int):
        """Return what a measure finds of a step, on tensors that have sizes but no contents."""
        with fake_twin(self.network) as twin:
            images = torch.empty(batch_size, *self.image_shape)
            labels = torch.zeros(batch_size, dtype=torch.int64)
            return measure(self.again(twin).method.train(), images, labels)

    def state_dict(self) -> dict:
        """Return all that `load_state_dict` of an equal trainer needs to go on."""
        schedulers = [one.state_dict() for one in self.schedulers]
        return {"method": self.method.state(), "steps": self.steps, "schedulers": schedulers}

    def load_state_dict(self, state: Mapping) -> None:
        """Continue from a `state_dict`."""
        self.method.load_state(state["method"])
        for one, saved in zip(self.schedulers, state["schedulers"], strict=True):
            one.load_state_dict(saved)
        self.steps = state["steps"]


def reduction(pool: str | Reduce, grid: int) -> Reduce:
    """Return phi, by its name or as it is given."""
    if not isinstance(pool, str):
        return pool
    return pooling.build(fill("models", "own", {"pool": pool, "grid": grid}))


def parameters_of(one: optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in one.param_groups for parameter in group["params"]]


class Costs(dict):
    """FLOPs and bytes by method; as text a table with a column for each."""

    def __str__(self) -> str:
        names = list(next(iter(self.values())))
        rows = [[name, *(f"{one[name]:,}" for one in self.values())] for name in names]
        return "\n".join(aligned([["", *self], *rows]))


def step_costs(
    network: Network,
    batch_size: int,
    methods: Mapping[str, Mapping] | Sequence[str] = ("bp", "svp"),
    **settings: Any,
) -> Costs:
    """Return FLOPs and bytes at the peak of a training step, by method; nothing is computed.

    methods: names, or options by name; `settings` are the others of a Trainer.
    """
    found = Costs()
    for name in methods:
        options = methods[name] if isinstance(methods, Mapping) else {}
        trainer = Trainer(deepcopy(network), method=name, **settings, **options)
        found[name] = {"flops": trainer.count(batch_size)} | trainer.peak_memory(batch_size)
    return found
