"""Train one model with one method on one dataset: one resolved config in, one record out.

python -m svp_core.train dataset=digits model=mlp method=svp seed=0 --output run.json
"""

import argparse
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch

from svp_core.config import resolve
from svp_core.config.pairs import ConfigError, parse_pairs
from svp_core.data import own
from svp_core.datasets import DataError
from svp_core.runtime import interruption, lock
from svp_core.runtime.cpus import available_cpus
from svp_core.runtime.device import prepare, warn_of_unused_gpu
from svp_core.runtime.files import OutputError
from svp_core.training.checkpoint import CheckpointError, Saving
from svp_core.training.run import train


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Return 0, or 1 after an error that the user can mend, or 75 after SIGTERM or SIGUSR1.
    """
    options = parse_arguments(arguments)
    prepare(min(options.threads, available_cpus()))
    try:
        own.look_in(options.data_dir)
        config = resolve(parse_pairs(options.settings))
        with interruption.listening(), one_writer(options.checkpoint):
            saving = Saving(options.checkpoint, 60 * options.checkpoint_minutes)
            device = torch.device(options.device)
            warn_of_unused_gpu(device)
            train(config, options.output, saving, options.data_dir, device)
    except interruption.Interrupted as signal:
        print(f"interrupted by {signal}; the same command continues", file=sys.stderr)
        return interruption.EXIT_CODE
    except (ConfigError, CheckpointError, DataError, OutputError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m svp_core.train",
        description="Train one model with one method on one dataset and write its record.",
        epilog="Keys, ranges, defaults and meanings: docs/options.md.",
    )
    parser.add_argument("settings", nargs="+", metavar="KEY=VALUE", help="such as recipe.lr=0.01")
    parser.add_argument("--output", type=Path, required=True, help="record to write (JSON)")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help="continue from it, renew it every epoch; in the end a copy of the record, named"
        " .record.json, takes its place, from which the same run is not trained again",
    )
    minutes = "also renew the checkpoint when it is older, 10 by default"
    parser.add_argument("--checkpoint-minutes", type=float, default=10, help=minutes)
    default = Path(os.environ.get("SVP_DATA_DIR", "data"))
    parser.add_argument("--data-dir", type=Path, default=default, help="SVP_DATA_DIR, or data")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    threads = "CPU threads, and worker processes of a streamed set; at most the CPUs it may use"
    parser.add_argument("--threads", type=int, default=available_cpus(), help=threads)
    return parser.parse_args(arguments)


def one_writer(checkpoint: Path | None) -> AbstractContextManager:
    """Wait until no other process has the checkpoint; without one, writers cannot meet."""
    return lock.holding(checkpoint.with_suffix(".lock")) if checkpoint else nullcontext()


if __name__ == "__main__":
    sys.exit(main())
