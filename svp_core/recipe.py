"""The recipe: how parameters are trained, the same for every method."""

from collections.abc import Iterable, Mapping, Sequence
from math import cos, pi

from torch import nn, optim
from torch.optim.optimizer import ParamsT

from svp_core.adamw import AdamW
from svp_core.config.options import OptionSet, choice, flag, integer, number, option
from svp_core.muon import Muon


class Options(OptionSet):
    """Budget, optimiser, rate, precision, augmentation."""

    epochs: int = integer(30, "passes over the training images", at_least=1)
    batch_size: int = integer(
        64, "images a step; the last incomplete batch of an epoch is dropped", at_least=1
    )
    micro_batches: int = integer(
        1,
        "equal parts of a batch that pass one after another, their gradients summed (gradient"
        " accumulation); a batch norm sees one part at a time. svp passes all parts through a unit"
        " before the next",
        at_least=1,
    )
    optimizer: str = choice(
        "adamw",
        "sgd",
        "muon",
        meaning="of torch.optim; muon makes the steps of matrices and kernels orthogonal, and takes"
        " adamw's rates (svp_core/muon.py)",
    )
    lr: float = number(0.001, "peak learning rate", above=0)
    lr_ratio: float = number(
        1.0,
        "rate of the last unit over that of the first, geometric between them; lr stays their"
        " geometric mean. Of methods with local units",
        above=0,
    )
    weight_decay: float = number(0.0, "decoupled for adamw and muon, L2 for sgd", at_least=0)
    momentum: float = number(0.9, "of sgd and muon; adamw ignores it", at_least=0, below=1)
    warmup_epochs: float = number(
        1, "epochs of linear growth from 0 to lr, before the cosine to 0", at_least=0
    )
    precision: str = choice(
        "float32",
        "bfloat16",
        meaning="of activations and products; parameters and losses stay in float32",
    )
    channels_last: bool = flag(
        False, "memory layout of feature maps; the numbers differ by rounding only"
    )
    cuda_graphs: bool = flag(
        False,
        "a GPU is given all kernels of a step by one call (svp_core/graphs.py); the same numbers"
        " but that the rate is a float32. Without effect on a CPU",
    )
    augmentation: list[str] = option(
        [],
        "of training images, in turn: crop (a shift by up to an eighth of the side, borders"
        " reflected; of large sets a random resized crop), flip (left to right), cutout (a square"
        " of a quarter of the side, set to the mean)",
        type="array",
        items={"enum": ["crop", "flip", "cutout"]},
        uniqueItems=True,
    )
    train_images: int | None = integer(
        None,
        "size of a fixed subset, stratified by class; null means all training images",
        at_least=1,
    )
    validation_images: int | None = integer(
        None,
        "so many further training images, stratified, are tested on in place of the test images, to"
        " choose settings by; null means the test images",
        at_least=1,
    )
    label_smoothing: float = number(0.0, "of the cross-entropy", at_least=0, below=1)

    def refuse(self, run):
        available = self.train_images or run.train_size
        if run.train_size is not None and not run.classes <= available <= run.train_size:
            yield (
                f"train_images: {available} is not from {run.classes} classes to"
                f" {run.train_size} images"
            )
        held_out = self.validation_images or 0
        if run.train_size is not None and available + held_out > run.train_size:
            yield (
                f"validation_images: {held_out} beside {available} to train on exceed the"
                f" {run.train_size} images; set train_images"
            )
        if run.train_size is not None and self.batch_size > available:
            yield f"batch_size: {self.batch_size} exceeds the {available} images"
        if self.batch_size % self.micro_batches:
            yield (
                f"micro_batches: {self.micro_batches} parts of {self.batch_size} images would not"
                " be equal"
            )
        if self.warmup_epochs > self.epochs:
            yield f"warmup_epochs: {self.warmup_epochs} exceeds epochs {self.epochs}"
        if self.cuda_graphs and (reason := run.method.not_recorded):
            yield f"cuda_graphs: a step of {run.method_name} cannot be recorded, {reason}"
        if self.lr_ratio != 1 and not run.method.has_unit_rates:
            yield f"lr_ratio: {run.method_name} has no local units of rates of their own; leave 1"


def build_optimizer(parameters: ParamsT, recipe: OptionSet) -> optim.Optimizer:
    """Return the recipe's optimiser of parameters, or of groups, which may have a `factor` of lr.

    `fused` keeps temporaries of the size of the model away.
    """
    settings = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "adamw":
        optimizer = AdamW(parameters, **settings)
    elif recipe.optimizer == "muon":
        optimizer = Muon(parameters, **settings, momentum=recipe.momentum)
    else:
        optimizer = optim.SGD(parameters, **settings, momentum=recipe.momentum, fused=True)
    set_rate(optimizer, recipe.lr)
    return optimizer


def set_rate(optimizer: optim.Optimizer, lr: float) -> None:
    """Set the rate of the next steps, times the factor of a group that has one."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("factor", 1.0)


def unit_groups(units: Sequence[list[nn.Parameter]], recipe: OptionSet) -> list[dict]:
    """Return the parameters of every unit, a group each, with the factor of its rate."""
    last = len(units) - 1
    powers = [place / last - 0.5 if last else 0.0 for place in range(len(units))]
    return [
        {"params": one, "factor": recipe.lr_ratio**power}
        for one, power in zip(units, powers, strict=True)
    ]


def joined(groups: Iterable[Mapping]) -> list[dict]:
    """Return the groups, those of one factor as one."""
    found: dict[float, list] = {}
    for group in groups:
        found.setdefault(group.get("factor", 1.0), []).extend(group["params"])
    return [{"params": one, "factor": factor} for factor, one in found.items()]


def learning_rate(epochs_done: float, recipe: OptionSet) -> float:
    """Return the rate after a number of epochs: linear warm-up to `lr`, then a cosine to 0."""
    warmup = recipe.warmup_epochs
    if epochs_done < warmup:
        return recipe.lr * epochs_done / warmup
    progress = (epochs_done - warmup) / max(recipe.epochs - warmup, 1e-9)
    return recipe.lr * (1 + cos(pi * progress)) / 2
