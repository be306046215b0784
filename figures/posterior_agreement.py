"""Agreement of neighbouring units on the class of an image, against their position.

Of a unit and the one before it, after the last epoch: left the images, in per cent, to which both
give the same class, right the Bhattacharyya distance -log sum sqrt(q p) of their posteriors, in
nats, a mean over images; 0 is equal. One row a dataset and model. Thin lines are seeds, thick ones
their mean; n is stated below the panels. A method of one prediction has no neighbours and is not
drawn.
"""

from figures import by_unit, names, style

import pandas as pd
from matplotlib.figure import Figure

METRICS = {"unit_agreement": "Same class (%)", "unit_bhattacharyya": "Distance (nats)"}


def draw(metrics: pd.DataFrame) -> Figure:
    """Two panels a dataset and model."""
    rows = by_unit.last_epochs(metrics, *METRICS)
    if rows.empty:
        return style.nothing("No run of several units has the metric agreement.")
    looks = style.looks(metrics, rows)
    parts = [(task, part, metric) for *task, part in names.tasks(rows) for metric in METRICS]
    titles = [names.task_label(*task) for task, _, _ in parts]
    figure, axes = style.panels(titles, columns=2, size=(style.PAGE, 1.5))
    for panel, (_, part, metric) in zip(axes, parts, strict=True):
        by_unit.draw_all(panel, style.pick(part, metric=metric), looks)
        panel.margins(y=0.1)
        panel.set(xlabel="", ylabel=METRICS[metric])
    for panel in axes[-2:]:
        panel.set_xlabel("Unit")
    figure.align_ylabels()
    style.legend(figure, [style.handle(*one) for one in looks.items()])
    style.note(figure, "Of a unit and the one before it. " + by_unit.explanation(rows))
    return figure


def describe(metrics: pd.DataFrame) -> str:
    """Mean agreement of the first and the last pair of units."""
    return by_unit.from_first_to_last(by_unit.last_epochs(metrics, "unit_agreement"), 1)


def main(arguments: list[str] | None = None) -> None:
    """Read metrics.csv, write the figure."""
    style.command(draw, describe, ("metrics",), arguments)


if __name__ == "__main__":
    main()
