"""Effective rank of activations in training, by what the KL between units is measured on.

Does the KL on activations collapse them, and the KL on random projections not? Effective rank of
the last unit's activations phi(h) after every epoch (left), and accuracy of its own prediction in
per cent of the test images (right), against the epoch; one row a dataset and model. Colours:
divergence between neighbouring units, of activations as they are (feature_kl) or of their fixed
random projections (gaussian_kl); dashes: its weight beta; 0 is no alignment, of which both are the
same. Lines: means over seeds, bands their 95 % Student t interval; n is stated below the panels. A
collapse is a line that falls towards 1. Runs that diverged are not shown.
"""

from figures import names, sentences, style

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from svp_core import tables
from svp_core.tables.statistics import ends

COLOURS = {"gaussian_kl": "#0072B2", "feature_kl": "#D55E00"}
LABELS = {"gaussian_kl": "KL on projections", "feature_kl": "KL on activations"}
DASHES = [":", "--", "-", "-."]
MEASURES = {"effective_rank": "Effective rank", "unit_accuracy": "Accuracy (%)"}


def last_units(collapse: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last unit of every completed run."""
    return collapse[(collapse["unit"] == collapse["units"]) & (collapse["status"] == "completed")]


def looks(rows: pd.DataFrame) -> dict[tuple[str, float], dict]:
    """Colour and dashes of every alignment and weight."""
    betas = sorted(rows["beta"].unique())
    return {
        (alignment, beta): {"color": COLOURS[alignment], "linestyle": DASHES[betas.index(beta)]}
        for alignment in COLOURS
        for beta in betas
        if not style.pick(rows, alignment=alignment, beta=beta).empty
    }


def draw_panel(axes: Axes, rows: pd.DataFrame, measure: str, chosen: dict) -> None:
    """Draw mean and interval of every alignment and weight."""
    for (alignment, beta), look in chosen.items():
        part = style.pick(rows, alignment=alignment, beta=beta).astype({"epoch": int})
        several = part["seed"].nunique() > 1
        sns.lineplot(
            part, x="epoch", y=measure, errorbar=ends if several else None, legend=False,
            err_kws={"linewidth": 0, "alpha": 0.15}, linewidth=1.2, ax=axes, **look,
        )  # fmt: skip
    axes.set(xlabel="", ylabel=MEASURES[measure])


def draw(collapse: pd.DataFrame) -> Figure:
    """Two panels a dataset and model."""
    rows = last_units(collapse)
    if rows.empty:
        return style.nothing("No run completed.")
    chosen = looks(rows)
    parts = [(task, part, measure) for *task, part in names.tasks(rows) for measure in MEASURES]
    titles = [names.task_label(*task) for task, _, _ in parts]
    figure, axes = style.panels(titles, columns=2, size=(style.PAGE, 2.1))
    for panel, (_, part, measure) in zip(axes, parts, strict=True):
        draw_panel(panel, part, measure, chosen)
        panel.set_ylim(0, None if measure == "effective_rank" else 102)
    for panel in axes[-2:]:
        panel.set_xlabel("Epoch")
    style.legend(
        figure,
        [
            Line2D([], [], **look, label=f"{LABELS[alignment]}, beta {beta:g}")
            for (alignment, beta), look in chosen.items()
        ],
    )
    n = names.count(rows.groupby([*tables.TASK, *tables.SERIES])["seed"].nunique())
    interval = "" if n == "1" else " Bands: 95 % Student t intervals."
    style.note(figure, f"Last unit. Lines: means over seeds (n = {n}).{interval}")
    return figure


def describe(collapse: pd.DataFrame) -> str:
    """Mean rank and accuracy after the last epoch, by divergence and weight."""

    def part(alignment: str, beta: float, rows: pd.DataFrame) -> str:
        last = style.pick(rows, alignment=alignment, beta=beta)
        last = last[last["epoch"] == last["epoch"].max()]
        rank, accuracy = last["effective_rank"].mean(), last["unit_accuracy"].mean()
        return f"{LABELS[alignment]}, beta {beta:g}: rank {rank:.1f}, {accuracy:.1f} %"

    return sentences.text(
        sentences.sentence(
            f"{cell}, after the last epoch", (part(*one, rows) for one in looks(rows))
        )
        for cell, rows in sentences.cells(last_units(collapse))
    )


def main(arguments: list[str] | None = None) -> None:
    """Read the table of collapse, write the figure."""
    style.command(draw, describe, ("collapse",), arguments)


if __name__ == "__main__":
    main()
