"""What one sees in a figure, computed from its tables: the pieces of such sentences."""

from collections.abc import Iterable, Iterator

from figures import names

import pandas as pd

MOST = 8  # things that a sentence lists


def cells(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each dataset and model as text, with its rows."""
    for dataset, model, rows in names.tasks(frame):
        yield names.task_label(dataset, model), rows


def of_series(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each method and variant as text, with its rows, in the order of the legend."""
    for method, variant in names.all_series(frame):
        is_one = (frame["method"] == method) & (frame["variant"] == variant)
        yield names.series_label((method, variant)), frame[is_one]


def listed(parts: Iterable[str]) -> str:
    """The parts behind one another, the last of many left out."""
    parts = list(parts)
    more = [f"and {len(parts) - MOST} more"] if len(parts) > MOST else []
    return "; ".join([*parts[:MOST], *more])


def sentence(subject: str, parts: Iterable[str]) -> str:
    """A subject and what is said of it; empty where nothing is."""
    text = listed(parts)
    return f"{subject}: {text}." if text else ""


def text(sentences: Iterable[str]) -> str:
    """The sentences that say something, a line each."""
    return "\n".join(one for one in sentences if one)
