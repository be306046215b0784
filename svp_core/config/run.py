"""What the options of a run stand beside: the task, the model, the recipe."""

from collections.abc import Callable
from dataclasses import dataclass

from svp_core.config import options


class ModelOptions(options.OptionSet):
    """Base of the options of a model."""

    @property
    def block_count(self) -> int | None:
        """Return the number of blocks, or None where only building the model would tell."""
        return getattr(self, "depth", None)

    @property
    def block_widths(self) -> list[int] | None:
        """Return d_i of every block, or None where only building the model would tell."""
        return None

    @property
    def depth_step(self) -> int:
        """Return the number that every depth is a multiple of."""
        return 1


class MethodOptions(options.OptionSet):
    """Base of the options of a method; `models` names those that it is defined for, () all."""

    models = ()
    has_unit_rates = False  # whether recipe.lr_ratio tells its units apart

    @property
    def not_recorded(self) -> str:
        """Return why a step cannot be recorded once and repeated (recipe.cuda_graphs), or ""."""
        return ""

    def rows(self, classes: int) -> int | None:
        """Return the rows d0 of the projections, or None where nothing is projected."""
        return None

    def reach(self, depth: int | None) -> int | None:
        """Return how many consecutive blocks one loss trains, of a model with so many blocks.

        Those of a unit, and of the units before it that its loss trains, too; of a method without
        units all, which is None where only building the model would tell it.
        """
        blocks = getattr(self, "blocks", None)
        if blocks is None:
            return depth
        blocks *= 1 + getattr(self, "overlap", 0)
        return blocks if depth is None else min(blocks, depth)

    @property
    def depth_law(self) -> int:
        """Return n where memory is linear in depth, counted in n-th powers of a step."""
        return 1


@dataclass(frozen=True)
class Run:
    """The settings of a run, for refusals; images (C, H, W)."""

    image_shape: tuple[int, int, int]
    classes: int
    train_size: int | None  # images of the training set; None where a step is all there is
    model_name: str
    model: ModelOptions
    method_name: str
    method: MethodOptions
    recipe: options.OptionSet
    find_widths: Callable[[], list[int]]  # d_i of every block, which it may take torch to find

    def unit_widths(self, blocks: int, ahead: int = 0) -> list[int]:
        """Return d_i of every unit of so many blocks, as it is so many blocks later."""
        widths = self.find_widths()
        ends = range(blocks - 1, len(widths) + blocks - 1, blocks)
        return [widths[min(end + ahead, len(widths) - 1)] for end in ends]
