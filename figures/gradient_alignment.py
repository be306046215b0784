"""Cosine between what units follow and BP's gradient, against their position.

Cosine between what the blocks of a unit follow and the gradient, of the same weights and images, of
the cross-entropy of the last unit through all units after it; after the last epoch, against the
position of the unit. 1 is BP's direction, 0 a right angle, below 0 the network's loss grows. Thin
lines are seeds, thick ones their mean; n is stated below the panels. A method that is BP is not
drawn. A cosine near the end of a training is one of small gradients.
"""

from figures import by_unit, style

import pandas as pd
from matplotlib.figure import Figure


def draw(metrics: pd.DataFrame) -> Figure:
    """One panel a dataset and model."""
    rows = by_unit.last_epochs(metrics, "unit_gradient_cosine")
    if rows.empty:
        return style.nothing("No run has the metric gradient_cosine.")
    looks = style.looks(metrics, rows)
    figure, panels = style.dataset_model_panels(rows)
    for axes, part in panels:
        by_unit.draw_all(axes, part, looks)
        axes.set_ylim(min(-0.1, part["value"].min() - 0.1), 1.05)
        axes.axhline(0, color="0.6", linewidth=0.6, zorder=1)
    style.name_axes(figure, "Unit", "Cosine to BP's gradient")
    style.legend(figure, [style.handle(*one) for one in looks.items()])
    style.note(figure, by_unit.explanation(rows))
    return figure


def describe(metrics: pd.DataFrame) -> str:
    """Mean cosines of the first and the last unit."""
    return by_unit.from_first_to_last(by_unit.last_epochs(metrics, "unit_gradient_cosine"), 2)


def main(arguments: list[str] | None = None) -> None:
    """Read metrics.csv, write the figure."""
    style.command(draw, describe, ("metrics",), arguments)


if __name__ == "__main__":
    main()
