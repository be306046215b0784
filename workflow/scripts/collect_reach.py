"""Collect the records of a study and of a baseline into a table of reach, accuracy and cost."""

import argparse
from pathlib import Path

import pandas as pd

from svp_core import tables
from svp_core.config.filling import reach as reach_of
from svp_core.config.pairs import ConfigError
from svp_core.tables.records import add_arguments, runs_asked_for
from svp_core.tables.statistics import of_baseline, paired_differences
from workflow.scripts.collect_ablation import contents, rows


def reach(path: str, record: dict) -> int | None:
    """How many consecutive blocks one loss of the run has trained."""
    try:
        return reach_of(record["config"])
    except ConfigError as error:
        raise tables.TableError(f"{path}: config: {error}") from error


def with_baseline(frame: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """The table with what each run has beside its baseline's."""

    def relative(column: str) -> pd.Series:
        return frame[column].astype(float) / of_baseline(frame, baseline, column).astype(float)

    return frame.assign(
        baseline=baseline,
        difference=paired_differences(frame, baseline),
        relative_memory=relative("tensor_bytes"),
        relative_activations=relative("activation_bytes"),
    )


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Validate every record, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "a run")
    parser.add_argument("--output", type=Path, required=True, help="table to write (CSV)")
    parser.add_argument("--baseline", required=True, metavar="METHOD", help="to compare with")
    options = parser.parse_args(arguments)

    records = dict(runs_asked_for(options))
    found = [
        row | {"reach": reach(*item)}
        for row, item in zip(rows(records, "reach"), records.items(), strict=True)
    ]
    table = with_baseline(tables.from_rows(found, "reach"), options.baseline)
    tables.write(contents(options.output, table, "reach"))


if __name__ == "__main__":
    main()
