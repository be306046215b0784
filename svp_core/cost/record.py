"""The command line that cost measurements share: settings in, a record of rows out."""

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from svp_core import provenance
from svp_core.config.pairs import parse_pairs
from svp_core.cost import cells
from svp_core.runtime import commands
from svp_core.runtime.files import require_writable, write_atomically


def command(
    parser: argparse.ArgumentParser,
    kind: str,
    measure: Callable[[dict, argparse.Namespace], Iterable[dict]],
    arguments: list[str] | None,
) -> int:
    """Measure what the settings ask for; return 0, or 1 after an error that the user can mend.

    kind: simulate or measure, as in `cells.sources`.
    """
    parser.epilog = "Keys, ranges, defaults and meanings: svp_core/cost/sweep.schema.yaml."
    parser.add_argument("settings", nargs="+", metavar="KEY=VALUE", help="such as batch=64")
    output = "record to write (JSON)"
    parser.add_argument("--output", type=commands.file, required=True, help=output)
    given = parser.parse_intermixed_args(arguments)
    config = cells.resolve(parse_pairs(given.settings))
    require_writable(given.output)
    measured = cells.resolved(config)
    source_hash = provenance.source_hash(cells.sources(measured, kind))
    write(given.output, measure(config, given), measured, source_hash)
    return 0


def write(path: Path, rows: Iterable[dict], measured: list[dict], source_hash: str) -> None:
    """Write the rows, a line each in the log too, what was measured and by which versions."""
    made = []
    for row in rows:
        made.append(row)
        print(*(f"{key}={value}" for key, value in row.items() if value is not None), flush=True)
    origin = {"torch_version": torch.__version__, "source_hash": source_hash}
    text = json.dumps(
        origin | provenance.repository() | {"cells": measured, "rows": made}, indent=1
    )
    write_atomically(path, lambda file: file.write(f"{text}\n".encode()))
