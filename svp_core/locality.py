"""How local a method is, found out by changing a network and looking at what a step does then.

python -m svp_core.locality bp svp svp:overlap=1 --output results/tables/locality.csv

A series is a method with options. The images are random, the model is small, and nothing depends on
training: that later blocks, labels, errors or weights matter is seen by changing them.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from svp_core import tables
from svp_core.auditing import forks, measures
from svp_core.config import options
from svp_core.config.pairs import parse_pairs
from svp_core.runtime import commands
from svp_core.runtime.device import prepare


@commands.command()
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m svp_core.locality", description=__doc__)
    series = "method, or method:option=value,option=value"
    parser.add_argument("series", nargs="*", help=series)
    every = "all methods that are defined for the model, before the series"
    parser.add_argument("--all", action="store_true", help=every)
    parser.add_argument("--model", default="mlp", choices=sorted(forks.SIZES))
    parser.add_argument("--output", type=Path, required=True, help="table to write (CSV)")
    given = parser.parse_args(arguments)
    prepare(1)
    every = defined(given.model) if given.all else []
    rows = list(audit([*every, *given.series], given.model))
    with tables.exit_on_error():
        frame = tables.from_rows(rows, "locality")
        tables.write({given.output: tables.csv_bytes(frame)})
    return 0


def defined(model: str) -> list[str]:
    """Return the methods that are defined for a model."""
    known = {name: options.declared("methods", name).models for name in options.names("methods")}
    return [name for name, models in known.items() if not models or model in models]


def audit(series: Iterable[str], model: str) -> Iterable[dict]:
    """Yield the row of every series, each `method:option=value,...`; raises ConfigError."""
    for one in series:
        method, _, given = one.partition(":")
        pairs = given.split(",") if given else []
        setting = forks.Setting(model, method, parse_pairs(pairs))
        variant = "_".join(pairs).replace("=", "_") or "default"
        print(f"auditing {one}", flush=True)
        yield {"model": model, "method": method, "variant": variant} | measures.measure(setting)


if __name__ == "__main__":
    sys.exit(main())
