"""Test accuracy against the peak memory of a training step: every seed, and the mean.

In per cent of the test images, against the peak memory that a run measured of a step (that of its
tensors, where runs on a GPU stand beside others), on a logarithmic axis, one panel a dataset and
model. Small points are seeds, large ones their mean; n is stated below the panels. Upper left is
best: more accuracy for less memory; no series has a mean above those on the grey line, the front,
for as little. Diverged runs are counted below and not drawn.
"""

from figures import spent, style

import pandas as pd
from matplotlib.figure import Figure


def draw(runs: pd.DataFrame) -> Figure:
    """One panel a dataset and model."""
    return spent.draw(runs, spent.memory(runs))


def describe(runs: pd.DataFrame) -> str:
    """Accuracy and memory, memory as a part of that of the first series."""
    return spent.describe(runs, spent.memory(runs))


def main(arguments: list[str] | None = None) -> None:
    """Read runs.csv, write the figure."""
    style.command(draw, describe, ("runs",), arguments)


if __name__ == "__main__":
    main()
