"""Train one model with one method on one dataset: one resolved config in, one record out.

python -m svp_core.train dataset=digits model=mlp method=svp seed=0 --output run.json
"""

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext

from svp_core.config import resolve
from svp_core.config.pairs import parse_pairs
from svp_core.data import own
from svp_core.datasets import DataError
from svp_core.runtime import commands, interruption, lock
from svp_core.runtime.cpus import available_cpus
from svp_core.runtime.device import prepare, warn_of_unused_gpu
from svp_core.runtime.files import require_apart, require_writable
from svp_core.runtime.printing import say
from svp_core.training.checkpoint import CheckpointError, Saving
from svp_core.training.run import train


@commands.command(CheckpointError, DataError)
def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Return 0, or 1 after an error that the user can mend, or 75 after SIGTERM or SIGUSR1, or 130
    after Ctrl-C.
    """
    options = parse_arguments(arguments)
    own.look_in(options.data_dir)
    config = resolve(parse_pairs(options.settings))
    saving = Saving(options.checkpoint, 60 * options.checkpoint_minutes)
    outputs = {"--output": options.output, **saving.files()}
    require_apart(outputs, {})
    require_writable(*outputs.values())
    prepare(min(options.threads, available_cpus()))
    try:
        with interruption.listening(), one_writer(saving):
            warn_of_unused_gpu(options.device)
            train(config, options.output, saving, options.data_dir, options.device)
    except interruption.Interrupted as signal:
        say(f"interrupted by {signal}; the same command continues", file=sys.stderr)
        return signal.exit_code
    return 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = commands.Parser(
        prog="python -m svp_core.train",
        description="Train one model with one method on one dataset and write its record.",
        epilog="Keys, ranges, defaults and meanings: docs/options.md.",
    )
    parser.add_argument("settings", nargs="+", metavar="KEY=VALUE", help="such as recipe.lr=0.01")
    output = "record to write (JSON)"
    parser.add_argument("--output", type=commands.file, required=True, help=output)
    parser.add_argument(
        "--checkpoint",
        type=commands.file,
        help="continue from it, renew it after epochs, where that takes 2 %% of the time at"
        " most, and when it is asked to leave; in the end a copy of the record, named"
        " .record.json, takes its place, from which the same run is not trained again",
    )
    minutes = "also renew the checkpoint when it is older, 10 by default"
    minutely = {"type": commands.not_negative, "default": 10, "help": minutes}
    parser.add_argument("--checkpoint-minutes", **minutely)
    commands.add_data_dir(parser)
    commands.add_device(parser)
    threads = "CPU threads, and worker processes of a streamed set; at most the CPUs it may use"
    commands.add_threads(parser, threads)
    return parser.parse_intermixed_args(arguments)


def one_writer(saving: Saving) -> AbstractContextManager:
    """Wait until no other process has the checkpoint; without one, writers cannot meet."""
    return lock.holding(saving.lock_path) if saving.path else nullcontext()


if __name__ == "__main__":
    sys.exit(main())
