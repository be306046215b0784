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
    if options.ranks > 1 and options.parallel is None:
        from svp_core.parallel.launch import launch  # half a second that one process need not wait

        given = sys.argv[1:] if arguments is None else arguments
        return launch(options.ranks, "svp_core.train", [*given, "--parallel", "pipeline"])
    own.look_in(options.data_dir)
    config = resolve(parse_pairs(options.settings))
    saving = Saving(options.checkpoint, 60 * options.checkpoint_minutes)
    outputs = {"--output": options.output, **saving.files()}
    require_apart(outputs, {})
    require_writable(*outputs.values())
    start = train_alone if options.parallel is None else train_together
    try:
        start(config, saving, options)
    except interruption.Interrupted as signal:
        say(f"interrupted by {signal}; the same command continues", file=sys.stderr)
        return signal.exit_code
    return 0


def train_alone(config: dict, saving: Saving, options: argparse.Namespace) -> None:
    """Train in this process."""
    prepare(min(options.threads, available_cpus()))
    with interruption.listening(), one_writer(saving):
        warn_of_unused_gpu(options.device)
        train(config, options.output, saving, options.data_dir, options.device)


def train_together(config: dict, saving: Saving, options: argparse.Namespace) -> None:
    """Train as one rank of several."""
    from svp_core.parallel import ranks
    from svp_core.parallel import run as pipeline

    here = ranks.local_count()
    prepare(min(options.threads, max(1, available_cpus() // here)))
    device = ranks.local_device(options.device)
    with interruption.listening(hold=True), ranks.joined(device) as together:
        if together.is_last:
            warn_of_unused_gpu(device)
        with one_writer(saving) if together.is_last else nullcontext():
            files = options.output, saving, options.data_dir
            pipeline.train(config, *files, device, together)


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
        help="continue from it, renew it every epoch; in the end a copy of the record, named"
        " .record.json, takes its place, from which the same run is not trained again",
    )
    minutes = "also renew the checkpoint when it is older, 10 by default"
    minutely = {"type": commands.not_negative, "default": 10, "help": minutes}
    parser.add_argument("--checkpoint-minutes", **minutely)
    commands.add_data_dir(parser)
    commands.add_device(parser)
    parser.add_argument(
        "--ranks",
        type=commands.integer(1),
        default=1,
        help="processes on this machine that share the units of svp, as a pipeline; 1 by default",
    )
    parser.add_argument(
        "--parallel",
        choices=["pipeline"],
        help="this process is one of the ranks that torchrun has started",
    )
    threads = "CPU threads, and worker processes of a streamed set; at most the CPUs it may use"
    commands.add_threads(parser, threads)
    return parser.parse_intermixed_args(arguments)


def one_writer(saving: Saving) -> AbstractContextManager:
    """Wait until no other process has the checkpoint; without one, writers cannot meet."""
    return lock.holding(saving.lock_path) if saving.path else nullcontext()


if __name__ == "__main__":
    sys.exit(main())
