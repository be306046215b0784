"""Compare the runs of a folder with those of a reference: which cells differ, if any?

Writes compare.csv and compare.md, prints the latter, and ends with exit code 1 if a cell differs.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from svp_core import tables
from svp_core.tables import comparison
from svp_core.tables.comparison import CELL

NOTE = """\
equal: every seed to the last digit. inside: the mean is in the reference's 95 % interval. close: it
is outside of that, but where the mean of new seeds of the same training is to be expected (95 %, of
all cells at once). outside: it is not, and the cell differs. Differences are here minus reference,
at equal seeds, in percentage points.
"""


def cell_section(found: pd.DataFrame) -> tables.Section:
    """The cells for readers."""
    rows = [
        [
            *(str(row[name]) for name in CELL),
            "–" if pd.isna(row["mean"]) else f"{row['mean']:.2f} ({row['n']})",
            tables.estimate(row, "mean_of_reference", "low", "high"),
            tables.estimate(row, "difference", "difference_low", "difference_high", sign="+"),
            "–" if pd.isna(row["pairs"]) else f"{row['equal']} of {row['pairs']}",
            row["verdict"],
        ]
        for _, row in found.iterrows()
    ]
    header = [*CELL, "here (n)", "reference", "difference", "seeds equal", "verdict"]
    return tables.Section("Test accuracy (%)", header, rows, NOTE)


def origin_section(here: pd.DataFrame, reference: pd.DataFrame) -> tables.Section:
    """What was different."""
    rows = [
        [name, ours, theirs, "; ".join(map("/".join, cells)) or "all"]
        for name, ours, theirs, cells in comparison.origins(here, reference)
    ]
    header = ["what", "here", "reference", "cells"] if rows else []
    note = (
        "" if rows else "None in sources, versions, hardware and settings, as far as both tell.\n"
    )
    return tables.Section("Differences between the two", header, rows, note)


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Compare, write, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("here", type=Path, help="folder of tables")
    parser.add_argument("reference", type=Path, help="folder of tables")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    here, reference = map(comparison.read_folder, (options.here, options.reference))
    found = tables.from_rows(comparison.compare(here, reference), "comparison")
    sections = [cell_section(found), origin_section(here, reference)]
    stem = options.output_dir / "compare"
    texts = tables.files(stem, sections)
    tables.write({stem.with_suffix(".csv"): tables.csv_bytes(found)} | texts)
    print(texts[stem.with_suffix(".md")].decode())
    failed = found[found["verdict"].isin(comparison.FAILED)]
    if len(failed):
        names = "; ".join(map("/".join, failed[CELL].to_numpy()))
        sys.exit(f"{len(failed)} of {len(found)} cells differ: {names}")


if __name__ == "__main__":
    main()
