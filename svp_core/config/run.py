"""What the options of a run stand beside: the task, the model, the recipe."""

import json
from dataclasses import dataclass
from functools import cache

from svp_core.config import options


class ModelOptions(options.OptionSet):
    """Base of the options of a model."""

    @property
    def block_count(self) -> int | None:
        """Return the number of blocks, or None where only building the model would tell."""
        return getattr(self, "depth", None)

    @property
    def depth_step(self) -> int:
        """Return the number that every depth is a multiple of."""
        return 1


class MethodOptions(options.OptionSet):
    """Base of the options of a method."""

    def rows(self, classes: int) -> int | None:
        """Return the rows d0 of the projections, or None where nothing is projected."""
        return None

    @property
    def depth_law(self) -> int:
        """Return n where memory is linear in depth, counted in n-th powers of a step."""
        return 1


@dataclass(frozen=True)
class Run:
    """The other settings of a run, for refusals; images (C, H, W)."""

    image_shape: tuple[int, int, int]
    classes: int
    train_size: int | None  # images of the training set; None where a step is all there is
    model_name: str
    model: ModelOptions
    recipe: options.OptionSet

    def unit_widths(self, blocks: int) -> list[int]:
        """Return d_i of every unit of so many blocks; exact, but it takes torch to build one."""
        sizes = json.dumps(options.plain(self.model))
        widths = model_widths(self.model_name, tuple(self.image_shape), sizes)
        return [widths[start : start + blocks][-1] for start in range(0, len(widths), blocks)]


@cache
def model_widths(name: str, image_shape: tuple[int, int, int], sizes: str) -> list[int]:
    import torch

    from svp_core import models

    with torch.device("meta"):
        return models.build(
            name, image_shape, options.fill("models", name, json.loads(sizes)), seed=0
        ).widths
