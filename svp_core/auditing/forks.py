"""Equal networks, of which one is changed before or during a step: what of the step differs?"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from svp_core import methods, models
from svp_core.config import AXES, filled, options, refusals, require_file
from svp_core.config.pairs import ConfigError
from svp_core.methods import Method
from svp_core.task import Task

# six images, each there twice with different labels, or a loss and its gradient might vanish; they
# are fewer than neurons, so that there are weights that none of them shows
IMAGE, CLASSES, IMAGES = (1, 8, 8), 4, 12
SIZES = {
    "mlp": {"depth": 4, "width": 48},
    "cnn": {"depth": 4, "width": 8, "stages": 2},
    "resnet": {"depth": 4, "width": 4},
    "vit": {"depth": 4, "width": 16, "heads": 2, "patch": 4},
}
TOLERANCE = 1e-9  # of updates in float64, relative to the largest


@dataclass
class Trial:
    """A method before a step, its blocks, and what it will be shown."""

    method: Method
    blocks: nn.ModuleList
    images: Tensor
    labels: Tensor
    handles: list = field(default_factory=list)

    def entrances(self, place: int) -> list[nn.Module]:
        """Return the dense layers and convolutions of a block, whoever calls them."""
        found = self.blocks[place].modules()
        return [one for one in found if isinstance(one, nn.Linear | nn.Conv2d)]

    def on_entry(self, place: int, do: Callable[[], object]) -> None:
        """Do something before every forward pass of a block."""

        def hook(*_) -> None:  # what a hook returns would replace the input
            do()

        self.handles.append(self.entrances(place)[0].register_forward_pre_hook(hook))

    def step(self) -> None:
        torch.manual_seed(0)
        self.method.step(self.images, self.labels)
        for handle in self.handles:
            handle.remove()


@dataclass(frozen=True)
class Setting:
    """A method with options, on a small model."""

    model: str
    method: str
    options: dict

    def trial(self) -> Trial:
        """Return the method after two steps, the same every time; raises ConfigError."""
        require_file("method", self.method)
        run = {"model": self.model, "model_options": SIZES[self.model], "method": self.method}
        run |= {"method_options": self.options}
        run |= {"recipe": {"batch_size": IMAGES, "optimizer": "sgd", "lr": 0.01}}
        run |= filled(run)
        for offence in refusals(run, IMAGE, CLASSES):
            raise ConfigError(f"{self.method}: {offence}")
        sizes, chosen = (
            options.fill(AXES[axis], run[axis], run[f"{axis}_options"])
            for axis in ("model", "method")
        )
        recipe = options.fill("", "recipe", run["recipe"])
        model = models.build(self.model, IMAGE, sizes, seed=0)
        task = Task(IMAGE, CLASSES, IMAGES)
        method = methods.build(self.method, model, task, chosen, recipe, seed=0).double()
        method.fast = None  # what an audit changes or counts stands in the plain step
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(IMAGES // 2, *IMAGE, generator=generator).double().repeat(2, 1, 1, 1)
        trial = Trial(method, model.blocks, images, torch.arange(IMAGES) % CLASSES)
        for _ in range(2):  # heads that start at 0 tell nothing
            trial.step()
        method.drain()
        return trial

    def updates(self, change: Callable[[Trial], object] | None = None) -> list[Tensor]:
        """Return what a step adds to the parameters of every block, after a change."""
        trial = self.trial()
        if change:
            change(trial)
        before = [flat(block) for block in trial.blocks]
        trial.step()
        return [flat(block) - old for block, old in zip(trial.blocks, before, strict=True)]

    def changed(self, change: Callable[[Trial], object]) -> list[bool]:
        """Return whether the update of every block is another after a change."""
        pairs = zip(self.updates(), self.updates(change), strict=True)
        return [
            bool((one - other).abs().max() > TOLERANCE * one.abs().max()) for one, other in pairs
        ]


def flat(block: nn.Module) -> Tensor:
    """Return all parameters of a block as one vector."""
    return torch.cat([one.detach().flatten() for one in block.parameters()])


@torch.no_grad()
def disturb(trial: Trial, weight: Tensor, change: Tensor, copies: bool = True) -> None:
    """Add a change to a weight and, unless told not to, to what has followed it closely."""
    held = [*trial.method.parameters(), *trial.method.buffers()] if copies else []
    same = [one for one in held if one is not weight and is_copy(one, weight)]
    for one in [weight, *same]:
        one += change


def is_copy(one: Tensor, weight: Tensor) -> bool:
    """Whether a tensor is a copy, or a moving average, of a weight: their cosine is nearly 1."""
    if one.shape != weight.shape or weight.dim() < 2:
        return False
    return bool(torch.cosine_similarity(one.flatten(), weight.flatten(), dim=0) > 0.99)
