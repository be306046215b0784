"""Compare methods on a network and images of one's own: accuracy, memory, FLOPs, time.

python -m svp_core.compare my_module:make_model --data imagefolder:PATH
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from svp_core import datasets, fetch
from svp_core.config import options, resolve
from svp_core.config.pairs import format_pairs, parse_pairs
from svp_core.data import own
from svp_core.data.files import DataError
from svp_core.models.own import make
from svp_core.proposal import propose_units
from svp_core.runtime import commands
from svp_core.runtime.device import prepare, warn_of_unused_gpu
from svp_core.runtime.files import require_writable
from svp_core.training.checkpoint import Saving
from svp_core.training.run import assemble, train


@commands.command(DataError)
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend."""
    given = parse_arguments(arguments)
    require_writable(given.output_dir / "runs.csv")
    prepare(given.threads)
    datasets.load = cache(datasets.load)  # read and verified once, not once a run
    runs = list(plan(given, describe(given)))
    check(runs)
    records = [trained(run, place, given) for place, run in enumerate(runs, start=1)]
    return report([str(path) for path in records], given)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = commands.Parser(prog="python -m svp_core.compare", description=__doc__)
    parser.add_argument("factory", help="MODULE:FUNCTION that returns the network")
    data = "imagefolder:PATH, hub:OWNER/NAME@REVISION[/FOLDER], or a dataset that is known by name"
    parser.add_argument("--data", required=True, help=data)
    positive = commands.integer(1)
    parser.add_argument("--size", type=positive, help="pixels a side that images are brought to")
    pairs = {"nargs": "+", "default": [], "metavar": "KEY=VALUE"}
    parser.add_argument("--arguments", **pairs, help="of the function, such as num_classes=5")
    units = "modules that units end at; proposed by default"
    parser.add_argument("--units", nargs="+", default=[], metavar="MODULE", help=units)
    parser.add_argument("--pool", default="avg", help="phi, as of the model own (docs/options.md)")
    parser.add_argument(
        "--methods", nargs="+", default=["bp", "svp", "local_lda"], metavar="METHOD[:KEY=VALUE...]",
        help="such as svp:readout=lda:d0=64; differences are to the first",
    )  # fmt: skip
    parser.add_argument("--seeds", type=positive, default=3, help="trainings a method (3)")
    parser.add_argument("--epochs", type=positive, default=10, help="passes over the images (10)")
    parser.add_argument("--recipe", **pairs, help="of every method, such as lr=0.003 batch_size=32")
    folder = "of records, table, figure and links to the images (comparison)"
    parser.add_argument("--output-dir", type=Path, default=Path("comparison"), help=folder)
    commands.add_device(parser)
    commands.add_threads(parser)
    return parser.parse_args(arguments)


def describe(given: argparse.Namespace) -> str:
    """Return the name of the dataset, whose facts are found if it is not known by name."""
    if ":" not in given.data:
        return given.data
    folder = given.output_dir / "data"
    last = given.data.partition("@")[0].rstrip("/").rpartition("/")[2].rpartition(":")[2]
    name = re.sub("[^a-z0-9_]+", "_", last.lower()).strip("_") or "images"
    name = f"{name}_images" if name in options.names("datasets") else name
    own.look_in(folder)
    fetch.fetch_own(given.data, given.size, name, folder, None, True)
    return name


def plan(given: argparse.Namespace, dataset: str) -> Iterator[dict]:
    """Yield every training, resolved, method by method; raises ConfigError."""
    arguments = parse_pairs(given.arguments)
    network = {"factory": given.factory, "arguments": arguments, "units": given.units}
    recipe = {"epochs": given.epochs} | parse_pairs(given.recipe)
    for spec in given.methods:
        method, *pairs = spec.split(":")
        settings = parse_pairs(pairs)
        own_recipe = settings.pop("recipe", {})
        variant = "_".join(format_pairs(parse_pairs(pairs))).replace("=", "-") or "default"
        run = {
            "dataset": dataset,
            "model": "own",
            "model_options": network | {"pool": given.pool},
            "method": method,
            "method_options": settings,
            "variant": variant,
            "recipe": recipe | own_recipe,
        }
        yield from (resolve(run | {"seed": seed}) for seed in range(given.seeds))


def check(runs: list[dict]) -> None:
    """Build every method once, and print the units; raises ConfigError before any training."""
    for run in runs:
        if run["seed"] == 0:
            assemble(run)
    sizes, shape = runs[0]["model_options"], datasets.facts(runs[0]["dataset"]).shape
    network = make(sizes["factory"], sizes["arguments"])
    batch_size = runs[0]["recipe"]["batch_size"]
    print(propose_units(network, shape, sizes["units"] or None, batch_size), flush=True)


def trained(run: dict, place: int, given: argparse.Namespace) -> Path:
    """Train a run, its lines in a log; return its record."""
    name = "{method}/{variant}/{seed}".format(**run)
    output = given.output_dir / "runs" / f"{name}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    warn_of_unused_gpu(given.device)
    with output.with_suffix(".log").open("w", buffering=1) as log, redirect_stdout(log):
        record = train(run, output, Saving(None, 0), own.folder, given.device)
    accuracy = record["test_accuracy"]
    ended = "diverged" if accuracy is None else f"{accuracy:.2f} %"
    print(f"{place}  {name}  {ended}  {record['train_seconds']:.1f} s", flush=True)
    return output


def report(records: list[str], given: argparse.Namespace) -> int:
    """Print the table; write it and, where the figures are installed, a figure."""
    folder, baseline = given.output_dir, given.methods[0].partition(":")[0]
    command = [sys.executable, "-m", "svp_core.tables.methods", *records]
    made = subprocess.run([*command, "--baseline", baseline, "--output-dir", str(folder)])
    if made.returncode or find_spec("figures") is None:
        return made.returncode
    files = [f"--{kind}={folder / f'comparison.{kind}'}" for kind in ("png", "pdf")]
    command = [sys.executable, "-m", "figures.methods", str(folder / "runs.csv")]
    drawn = subprocess.run([*command, *files])
    print(f"{folder}: runs.csv, runs/*/*/*.json, comparison.png and .pdf")
    return drawn.returncode


if __name__ == "__main__":
    sys.exit(main())
