"""Tables that follow from others: what targets took, and both ends of depth."""

from collections.abc import Iterator, Mapping

import pandas as pd

from svp_core.tables.contract import RUN

SPENT = ["epoch", "flops", "seconds", "joules"]


def spent(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """The curves with what was spent until the end of each epoch, epochs included."""
    totals = runs.set_index(RUN)
    flops = totals["train_flops"] / totals["epochs"]
    curves = curves.sort_values([*RUN, "epoch"])
    by_run = curves.groupby(RUN)
    added = by_run[["seconds", "joules"]].cumsum(skipna=False)  # a part that is unknown
    keys = pd.MultiIndex.from_frame(curves[RUN])
    return curves.assign(**added, flops=flops.reindex(keys).to_numpy() * curves["epoch"])


def targets(
    runs: pd.DataFrame, curves: pd.DataFrame, accuracies: Mapping[str, list[float]]
) -> pd.DataFrame:
    """What every run had spent when it first reached an accuracy; empty if it never did."""
    found = list(reached(spent(runs, curves), accuracies))
    return pd.concat(found) if found else pd.DataFrame(columns=[*RUN, "target", *SPENT])


def reached(curves: pd.DataFrame, accuracies: Mapping[str, list[float]]) -> Iterator[pd.DataFrame]:
    """A row a run, of each dataset and target."""
    for dataset, values in accuracies.items():
        own = curves[curves["dataset"] == dataset]
        every = own[RUN].drop_duplicates()
        for target in values:
            is_there = (own["test_accuracy"] >= target) & (own["status"] == "completed")
            first = own[is_there].groupby(RUN).head(1)[[*RUN, *SPENT]]
            yield every.merge(first, on=RUN, how="left").assign(target=target)


def last_epochs(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last epoch that the table has of each run."""
    return table[table["epoch"] == table.groupby(RUN)["epoch"].transform("max")]


def ends(metrics: pd.DataFrame) -> pd.DataFrame:
    """Of runs of several units, the accuracy of the first and of the last after the last epoch."""
    rows = metrics[(metrics["metric"] == "unit_accuracy") & (metrics["units"] > 1)]
    rows = last_epochs(rows)
    places = {"first": rows["unit"] == 1, "last": rows["unit"] == rows["units"]}
    parts = [rows[is_there].assign(end=end) for end, is_there in places.items()]
    return pd.concat(parts).rename(columns={"value": "unit_accuracy"})


def final(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last unit after the last epoch of every run."""
    table = last_epochs(table)
    return table[table["unit"] == table["units"]]


def parse_targets(pairs: list[str]) -> dict[str, list[float]]:
    """Turn `digits=95` into accuracies by dataset."""
    found: dict[str, list[float]] = {}
    for pair in pairs:
        dataset, _, accuracy = pair.partition("=")
        found.setdefault(dataset, []).append(float(accuracy))
    return found
