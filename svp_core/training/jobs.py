"""Runs of a list: read and checked before any training, and trained by a worker one by one."""

import gc
import json
import time
import traceback
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import torch

from svp_core import datasets, provenance
from svp_core.config import options, resolve
from svp_core.config.pairs import ConfigError
from svp_core.data import own
from svp_core.runtime import interruption, lock
from svp_core.runtime.device import prepare, warn_of_unused_gpu
from svp_core.training.checkpoint import Saving
from svp_core.training.run import train

FINISHED, FAILED, INTERRUPTED = "finished", "failed", "interrupted"
SECONDS_BETWEEN_SAVES = 600  # as of svp_core.train
PATH = {"type": "string", "minLength": 1}
LINE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["run", "output", "checkpoint"],
    "properties": {"run": {"type": "object"}, "output": PATH, "checkpoint": PATH, "log": PATH},
}


class Job(NamedTuple):
    """A resolved run and its files."""

    config: dict
    output: Path
    checkpoint: Path
    log: Path

    @property
    def name(self) -> str:
        return "{dataset}/{model}/{method}/{variant}/{seed}".format(**self.config)

    @property
    def is_finished(self) -> bool:
        """Whether its record is there, of the same settings and sources."""
        try:
            found = json.loads(self.output.read_text())
            known = found["config"], found["provenance"]["source_hash"]
        except (OSError, ValueError, LookupError, TypeError):
            return False
        return known == (self.config, provenance.source_hash(provenance.run_sources(self.config)))


def read_jobs(path: Path, folder: Path) -> list[Job]:
    """Return the runs of a list, their paths below `folder`.

    Raises ConfigError, with number of the line and key, for the first that cannot be trained.
    """
    found = []
    for number, text in enumerate(path.read_text().splitlines(), start=1):
        if text.strip():
            try:
                found.append(read_job(text, folder))
            except (ConfigError, ValueError) as error:
                raise ConfigError(f"{path} line {number}: {error}") from None
    for key in ("output", "checkpoint", "log"):
        (place, count), *_ = [*Counter(getattr(job, key) for job in found).most_common(1), ("", 1)]
        if count > 1:
            raise ConfigError(f"{path}: {key}: {count} runs have {place}")
    return found


def read_job(text: str, folder: Path) -> Job:
    """Return the run of a line; raises ConfigError, or ValueError if it is no JSON."""
    line = options.checked(json.loads(text), LINE, "")
    try:
        config = resolve(line["run"])
    except ConfigError as error:
        raise ConfigError(f"run.{error}") from None
    files = [folder / line[key] for key in ("output", "checkpoint")]
    log = folder / line["log"] if "log" in line else files[0].with_suffix(".log")
    return Job(config, *files, log)


def work(pipe: Connection, device: str, data_dir: Path, workers: int) -> None:
    """Train the runs that come out of a pipe, and answer what became of each, until it ends."""
    prepare(threads=1, processes=workers)
    own.look_in(data_dir)
    datasets.load = cache(datasets.load)  # read and verified once a worker, not once a run
    with interruption.listening(), suppress(EOFError, ConnectionError):
        while job := pipe.recv():
            pipe.send(attempt(job, torch.device(device), data_dir))
            release_memory()


def attempt(job: Job, device: torch.device, data_dir: Path) -> tuple[str, str]:
    """Train a run as svp_core.train does, its lines in a log; return how it ended, and a line."""
    started = time.monotonic()
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with job.log.open("a", buffering=1) as log, redirect_stdout(log), redirect_stderr(log):
        try:
            with lock.holding(job.checkpoint.with_suffix(".lock")):
                warn_of_unused_gpu(device)
                saving = Saving(job.checkpoint, SECONDS_BETWEEN_SAVES)
                record = train(job.config, job.output, saving, data_dir, device)
        except interruption.Interrupted as signal:
            print(f"interrupted by {signal}; the same command continues")
            return INTERRUPTED, str(signal)
        except Exception as error:  # of one run; the others go on
            traceback.print_exc()
            return FAILED, traceback.format_exception_only(error)[-1].strip()
    accuracy = record["test_accuracy"]
    ended = "diverged" if accuracy is None else f"{accuracy:.2f} %"
    return FINISHED, f"{ended}  {time.monotonic() - started:.1f} s"


def release_memory() -> None:
    """Leave to the next run, and to other workers, what the last one had."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
