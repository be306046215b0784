"""Records of one network and dataset, trained by several methods: runs.csv, and a printed table.

python -m svp_core.tables.methods RECORD... --output-dir FOLDER
"""

import argparse
from pathlib import Path

import pandas as pd

from svp_core import tables
from svp_core.records import read_run
from svp_core.tables.records import each_once
from svp_core.tables.runs import run_row
from svp_core.tables.statistics import interval, paired_differences

MEANS = {  # columns of the table of runs, by how the printed one calls them, and their unit
    "peak memory (MiB)": ("tensor_bytes", 2**20),
    "activations (MiB)": ("activation_bytes", 2**20),
    "GFLOPs": ("train_flops", 1e9),
    "seconds": ("train_seconds", 1),
}
HEADER = ["method", "variant", "n", "diverged", "test accuracy (%)", "difference to {}", *MEANS]
NOTE = """\
n: completed trainings, one a seed. Square brackets: 95 % Student t interval of the mean over seeds.
Peak memory: of the tensors of a training step. GFLOPs and seconds: of all training steps, means.
"""


def estimate(values: pd.Series, sign: str = "") -> str:
    """Mean and interval in words."""
    mean, low, high = interval(values)
    if mean is None or pd.isna(mean):
        return "–"
    return f"{mean:{sign}.2f}" + ("" if low is None else f" [{low:{sign}.2f}, {high:{sign}.2f}]")


def rows(runs: pd.DataFrame, baseline: str) -> list[list[str]]:
    """One row a method and variant, in the order of the methods' first runs."""
    runs = runs.assign(difference=paired_differences(runs, baseline))
    result = []
    for (method, variant), group in runs.groupby(tables.SERIES, sort=False):
        statuses = [int((group["status"] == one).sum()) for one in ("completed", "diverged")]
        accuracies = estimate(group["test_accuracy"]), estimate(group["difference"], "+")
        means = [f"{group[name].mean() / unit:.4g}" for name, unit in MEANS.values()]
        result.append([method, variant, *map(str, statuses), *accuracies, *means])
    return result


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Write runs.csv, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="+", metavar="RECORD", help="JSON record of a run")
    parser.add_argument("--baseline", default="bp", metavar="METHOD", help="to compare with")
    parser.add_argument("--output-dir", type=Path, required=True)
    given = parser.parse_args(arguments)
    records = each_once((path, read_run(path)) for path in given.records)
    runs = tables.from_rows((run_row(*item) for item in records), "runs")
    tables.write({given.output_dir / "runs.csv": tables.csv_bytes(runs)})
    header = [one.format(given.baseline) for one in HEADER]
    print(tables.markdown(header, rows(runs, given.baseline)) + "\n" + NOTE, end="")


if __name__ == "__main__":
    main()
