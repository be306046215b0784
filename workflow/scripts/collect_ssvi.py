"""Collect the records of a study of sparse Gaussian weights: accuracy, calibration, size and cost.

For readers means over seeds stand beside the table, in Markdown and LaTeX.
"""

import argparse
from pathlib import Path

import pandas as pd

from svp_core import tables
from svp_core.tables.records import add_arguments, runs_asked_for
from svp_core.tables.statistics import interval
from workflow.scripts.collect_ablation import counts, rows, shown

# columns, by what readers are told, the unit and the form of a number
SHOWN = {
    "accuracy (%)": ("test_accuracy", 1, ".2f"),
    "by mean weights (%)": ("accuracy_mean_weights", 1, ".2f"),
    "NLL": ("nll", 1, ".3f"),
    "ECE (%)": ("ece", 0.01, ".2f"),
    "by mean weights": ("ece_mean_weights", 0.01, ".2f"),
    "in noise: accuracy (%)": ("accuracy_noise_50", 1, ".2f"),
    "in noise: ECE (%)": ("ece_noise_50", 0.01, ".2f"),
}
EXACT = {  # the same for every seed
    "active parameters": ("active_parameters", 1, ",.0f"),
    "stored kB": ("stored_bytes", 1e3, ",.0f"),
    "training TFLOP": ("train_flops", 1e12, ".3f"),
    "at the density": ("train_flops_sparse", 1e12, ".3f"),
    "inference kFLOP": ("inference_flops", 1e3, ",.0f"),
    "at the density ": ("inference_flops_sparse", 1e3, ",.0f"),
}
NOTE = """\
n: completed trainings, one a seed. Square brackets: 95 % Student t interval of the mean over seeds.
Accuracy, NLL and ECE are of averaged sampled networks unless told otherwise, those of bp of its one
network. Noise: standard deviation of half that of pixels. All is executed dense; FLOPs `at the
density` count products of active weights alone. Inference: one network, one image.
"""


def measured(row: dict, record: dict) -> dict:
    """The row of a record, its metrics after the last epoch included."""
    found = record["metrics"]
    names = tables.columns("ssvi")
    values = {name: found[name] for name in names if name in found}
    if record["status"] == "completed" and "stored_bytes" not in found:
        names = [str(row[name]) for name in tables.RUN]
        raise tables.TableError(f"the record of {'/'.join(names)} has no metric compression")
    # a network without Gaussian weights is trained as it is executed
    executed = {"train_flops_sparse": record["train_flops"]} if found else {}
    return row | executed | values


def section(frame: pd.DataFrame, title: str) -> tables.Section:
    """The means over seeds."""
    options = list(frame.columns[len(tables.columns("ssvi")) :])
    groups = frame.groupby([*tables.TASK, "method", *options, "variant"], dropna=False)
    lines = [
        [
            *map(shown, names[:-1]),
            *counts(group),
            *(estimate(group[name] / unit, form) for name, unit, form in SHOWN.values()),
            *(exact(group[name] / unit, form) for name, unit, form in EXACT.values()),
        ]
        for names, group in groups
    ]
    header = [*tables.TASK, "method", *options, "n", "diverged", *SHOWN, *map(str.strip, EXACT)]
    return tables.Section(title, header, lines, NOTE)


def estimate(values: pd.Series, form: str) -> str:
    """A mean with its interval."""
    mean, low, high = interval(values)
    if mean is None:
        return "–"
    return f"{mean:{form}}" + ("" if low is None else f" [{low:{form}}, {high:{form}}]")


def exact(values: pd.Series, form: str) -> str:
    """A mean."""
    return "–" if values.isna().all() else f"{values.mean():{form}}"


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Validate every record, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "a run")
    parser.add_argument("--output", type=Path, required=True, help="table to write (CSV)")
    options = parser.parse_args(arguments)

    records = dict(runs_asked_for(options))
    pairs = zip(rows(records, "ssvi"), records.values(), strict=True)
    table = tables.from_rows((measured(*pair) for pair in pairs), "ssvi")
    texts = tables.files(options.output.with_suffix(""), [section(table, options.output.stem)])
    tables.write({options.output: tables.csv_bytes(table)} | texts)


if __name__ == "__main__":
    main()
