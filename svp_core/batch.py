"""Train many runs in a few long-lived processes on one machine, without Snakemake.

python -m svp_core.batch results/runs.jsonl --workers 12 --minutes 9
"""

import argparse
import signal
import sys
import time
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

import torch

from svp_core.data import own
from svp_core.runtime import commands, interruption
from svp_core.training.jobs import FAILED, INTERRUPTED, Job, read_jobs, work


@commands.command()
def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Return 0, or 1 if the list is wrong or a run failed, or 75 after a signal or the time limit, or
    130 after Ctrl-C.
    """
    given = parse_arguments(arguments)
    own.look_in(given.data_dir)
    jobs = read_jobs(given.runs, given.directory)
    missing = [job for job in jobs if not job.is_finished]
    if skipped := len(jobs) - len(missing):
        print(f"{skipped} of {len(jobs)} runs are skipped: their records are there", flush=True)
    return Batch(missing, given).run()


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = commands.Parser(prog="python -m svp_core.batch", description=__doc__)
    parser.add_argument("runs", type=Path, help="a line of JSON a run: run, output, checkpoint")
    workers = {"type": commands.integer(1), "default": 2}
    parser.add_argument("--workers", **workers, help="runs at a time, a thread each (2)")
    parser.add_argument("--minutes", type=commands.number, help="then save and leave")
    folder = "what the paths in the list are relative to, the current folder by default"
    parser.add_argument("--directory", type=Path, default=Path(), help=folder)
    commands.add_device(parser)
    commands.add_data_dir(parser)
    return parser.parse_args(arguments)


class Batch:
    """The runs that wait, and the workers that train the others, each behind a pipe."""

    def __init__(self, jobs: list[Job], given: argparse.Namespace):
        self.given, self.pending, self.total = given, deque(jobs), len(jobs)
        self.workers: dict[Connection, tuple] = {}  # process and its run
        self.ended, self.failed, self.received = 0, [], []
        minutes = float("inf") if given.minutes is None else given.minutes
        self.deadline, self.is_stopped = time.monotonic() + 60 * minutes, False

    def run(self) -> int:
        """Train all runs; return the exit code of the command."""
        before = {n: signal.signal(n, self.note) for n in interruption.SIGNALS}
        try:
            while self.workers or (self.pending and not self.is_stopped):
                self.turn()
        except KeyboardInterrupt:  # a second one; nobody waits for what is not saved
            for process, _ in self.workers.values():
                process.kill()
            raise
        finally:
            self.stop()
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.pending:
            print(f"{len(self.pending)} runs are left; the same command continues", flush=True)
            is_ctrl_c = signal.SIGINT in self.received
            return interruption.CTRL_C if is_ctrl_c else interruption.EXIT_CODE
        if self.failed:
            print(f"failed: {', '.join(self.failed)}", file=sys.stderr)
        return 1 if self.failed else 0

    def note(self, number: int, frame: object) -> None:
        """Take in a signal; a second Ctrl-C is a KeyboardInterrupt."""
        if number == signal.SIGINT and number in self.received:
            raise KeyboardInterrupt
        self.received.append(number)

    def turn(self) -> None:
        """Start workers, hear from them, or stop them."""
        if self.received or time.monotonic() > self.deadline:
            self.stop()
        while self.pending and len(self.workers) < self.given.workers and not self.is_stopped:
            self.start_worker()
        for pipe in wait(list(self.workers), timeout=0.5):
            self.hear(pipe)

    def start_worker(self) -> None:
        """Start a process with the next run."""
        context = torch.multiprocessing.get_context("spawn")  # CUDA survives no fork
        pipe, other = context.Pipe()
        given = self.given.device, self.given.data_dir, self.given.workers
        process = context.Process(target=work, args=(other, *given))
        # inherited, so that one Ctrl-C, which all processes get, is passed on once
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        process.start()
        signal.signal(signal.SIGINT, handler)
        other.close()  # or its end would not be that of the worker
        self.hand_next(pipe, process)

    def hand_next(self, pipe: Connection, process) -> None:
        """Give a worker the next run."""
        job = self.pending.popleft()
        self.workers[pipe] = process, job
        with suppress(BrokenPipeError):  # it has died, as the next turn hears
            pipe.send(job)

    def hear(self, pipe: Connection) -> None:
        """Take what became of a worker's run, and give it the next one."""
        process, job = self.workers.pop(pipe)
        try:
            answer = pipe.recv()
        except (EOFError, ConnectionError):
            answer = None
            process.join()
            how = INTERRUPTED if self.is_stopped else FAILED
            self.report(job, how, f"its process ended with exit code {process.exitcode}")
        else:
            self.report(job, *answer)
        if answer and self.pending and not self.is_stopped:
            return self.hand_next(pipe, process)
        pipe.close()
        process.join()

    def report(self, job: Job, how: str, line: str) -> None:
        """Print the line of a run that has ended, or was left."""
        if how == INTERRUPTED:
            self.stop()  # a signal to the whole group may reach a worker first
            self.pending.append(job)
            print(f"left {job.name}  {line}", flush=True)
            return
        self.ended += 1
        if how == FAILED:
            self.failed.append(job.name)
            line = f"failed: {line}"
        print(f"{self.ended} of {self.total}  {job.name}  {line}", flush=True)

    def stop(self) -> None:
        """Ask the workers to save and to leave."""
        if not self.is_stopped:
            self.is_stopped = True
            for process, _ in self.workers.values():
                process.terminate()


if __name__ == "__main__":
    sys.exit(main())
