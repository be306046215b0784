"""Train many runs in a few long-lived processes on one machine, without Snakemake.

python -m svp_core.batch results/runs.jsonl --workers 12 --minutes 9
"""

import argparse
import os
import signal
import sys
import time
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

import torch

from svp_core.config.pairs import ConfigError
from svp_core.data import own
from svp_core.runtime import interruption
from svp_core.training.jobs import FAILED, INTERRUPTED, Job, read_jobs, work

SIGNALS = (signal.SIGINT, *interruption.SIGNALS)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Return 0, or 1 if the list is wrong or a run failed, or 75 after a signal or the time limit.
    """
    given = parse_arguments(arguments)
    try:
        own.look_in(given.data_dir)
        jobs = read_jobs(given.runs, given.directory)
    except (ConfigError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    missing = [job for job in jobs if not job.is_finished]
    if skipped := len(jobs) - len(missing):
        print(f"{skipped} of {len(jobs)} runs are skipped: their records are there", flush=True)
    return Batch(missing, given).run()


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m svp_core.batch", description=__doc__)
    parser.add_argument("runs", type=Path, help="a line of JSON a run: run, output, checkpoint")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, a thread each (2)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="then save and leave")
    folder = "what the paths in the list are relative to, the current folder by default"
    parser.add_argument("--directory", type=Path, default=Path(), help=folder)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    default = Path(os.environ.get("SVP_DATA_DIR", "data"))
    parser.add_argument("--data-dir", type=Path, default=default, help="SVP_DATA_DIR, or data")
    given = parser.parse_args(arguments)
    if given.workers < 1:
        parser.error("--workers: at least 1")
    return given


class Batch:
    """The runs that wait, and the workers that train the others, each behind a pipe."""

    def __init__(self, jobs: list[Job], given: argparse.Namespace):
        self.given, self.pending, self.total = given, deque(jobs), len(jobs)
        self.workers: dict[Connection, tuple] = {}  # process and its run
        self.ended, self.failed, self.received = 0, [], []
        self.deadline, self.is_stopped = time.monotonic() + 60 * given.minutes, False

    def run(self) -> int:
        """Train all runs; return the exit code of the command."""
        before = {n: signal.signal(n, lambda n, _: self.received.append(n)) for n in SIGNALS}
        try:
            while self.workers or (self.pending and not self.is_stopped):
                self.turn()
        finally:
            self.stop()
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.pending:
            print(f"{len(self.pending)} runs are left; the same command continues", flush=True)
            return interruption.EXIT_CODE
        if self.failed:
            print(f"failed: {', '.join(self.failed)}", file=sys.stderr)
        return 1 if self.failed else 0

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
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited; Ctrl-C is passed on
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
            self.report(job, *pipe.recv())
        except (EOFError, ConnectionError):
            process.join()
            how = INTERRUPTED if self.is_stopped else FAILED
            self.report(job, how, f"its process ended with exit code {process.exitcode}")
        else:
            if self.pending and not self.is_stopped:
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
