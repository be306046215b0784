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
    tasks = [
        (dataset, model)
        for dataset in names.ordered(rows["dataset"])
        for model in names.ordered(style.pick(rows, dataset=dataset)["model"])
    ]
    titles = [", ".join(map(names.label, task)) for task in tasks for _ in METRICS]
    figure, axes = style.panels(titles, columns=2, size=(style.PAGE, 1.5))
    for panel, (place, metric) in zip(
        axes, ((task, metric) for task in tasks for metric in METRICS), strict=True
    ):
        part = style.pick(rows, dataset=place[0], model=place[1], metric=metric)
        by_unit.draw_all(panel, part, looks)
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
