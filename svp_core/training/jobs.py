"""Runs of a list: read and checked before any training, and trained by a worker one by one."""

import gc
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import torch

from svp_core import datasets, provenance
from svp_core.config import options, resolve, texts
from svp_core.config.pairs import ConfigError
from svp_core.data import own
from svp_core.records import RecordError, read_run
from svp_core.runtime import interruption, lock
from svp_core.runtime.device import prepare, warn_of_unused_gpu
from svp_core.runtime.files import require_apart, require_writable
from svp_core.training.checkpoint import Saving
from svp_core.training.run import train

FINISHED, FAILED, INTERRUPTED = "finished", "failed", "interrupted"
SECONDS_BETWEEN_SAVES = 600  # as of svp_core.train
NAMED = r"[^\0\ud800-\udfff]*[^./\0\ud800-\udfff][^/\0\ud800-\udfff]*"  # what a file can be called
PATH = {"type": "string", "pattern": NAMED}
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
    def saving(self) -> Saving:
        return Saving(self.checkpoint, SECONDS_BETWEEN_SAVES)

    @property
    def files(self) -> dict[str, Path]:
        """What is written, by what it is."""
        files = {"output": self.output, "log": self.log, **self.saving.files()}
        return {f"{what.strip('-')} of {self.name}": path for what, path in files.items()}

    @property
    def name(self) -> str:
        return "{dataset}/{model}/{method}/{variant}/{seed}".format(**self.config)

    @property
    def is_finished(self) -> bool:
        """Whether its record is there, of the same settings and sources."""
        try:
            found = read_run(self.output)
        except (OSError, RecordError):
            return False
        known = found["config"], found["provenance"]["source_hash"]
        return known == (self.config, provenance.source_hash(provenance.run_sources(self.config)))


def read_jobs(path: Path, folder: Path) -> list[Job]:
    """Return the runs of a list, their paths below `folder`.

    Raises ConfigError, with number of the line and key, for the first that cannot be trained, and
    OutputError for one whose files are those of another, or cannot be written.
    """
    found, outputs = [], {}
    for number, text in enumerate(texts.read(path).split("\n"), start=1):
        if text.strip():
            try:
                found.append(read_job(text, folder))
            except ConfigError as error:
                raise ConfigError(f"{path} line {number}: {error}") from None
            outputs |= {f"line {number}, {what}": one for what, one in found[-1].files.items()}
    require_apart(outputs, {"the list": path})
    require_writable(*outputs.values())
    return found


def read_job(text: str, folder: Path) -> Job:
    """Return the run of a line; raises ConfigError."""
    line = options.checked(texts.from_json(text), LINE, "")
    try:
        config = resolve(line["run"])
    except ConfigError as error:
        raise ConfigError(f"run.{error}") from None
    files = [folder / line[key] for key in ("output", "checkpoint")]
    log = folder / line["log"] if "log" in line else files[0].with_suffix(".log")
    return Job(config, *files, log)


def work(pipe: Connection, device: torch.device, data_dir: Path, workers: int) -> None:
    """Train the runs that come out of a pipe, and answer what became of each, until it ends."""
    prepare(threads=1, processes=workers)
    own.look_in(data_dir)
    datasets.load = cache(datasets.load)  # read and verified once a worker, not once a run
    with interruption.listening(), suppress(EOFError, ConnectionError):
        while job := pipe.recv():
            pipe.send(attempt(job, device, data_dir))
            release_memory()


def attempt(job: Job, device: torch.device, data_dir: Path) -> tuple[str, str]:
    """Train a run as svp_core.train does, its lines in a log; return how it ended, and a line."""
    try:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("a", buffering=1) as log, redirect_stdout(log), redirect_stderr(log):
            return logged(job, device, data_dir)
    except OSError as error:  # also of the log itself, on a full disk
        return FAILED, f"{error.filename or job.log}: {error.strerror or error}"


def logged(job: Job, device: torch.device, data_dir: Path) -> tuple[str, str]:
    """Do so, the log being there."""
    started = time.monotonic()
    try:
        with lock.holding(job.saving.lock_path):
            warn_of_unused_gpu(device)
            record = train(job.config, job.output, job.saving, data_dir, device)
    except interruption.Interrupted as signal:
        print(f"interrupted by {signal}; the same command continues")
        return INTERRUPTED, str(signal)
    except Exception as error:  # of one run; the others go on
        line = traceback.format_exception_only(error)[-1].strip()
        with suppress(OSError):
            traceback.print_exc()
        return FAILED, line
    accuracy = record["test_accuracy"]
    ended = "diverged" if accuracy is None else f"{accuracy:.2f} %"
    return FINISHED, f"{ended}  {time.monotonic() - started:.1f} s"


def release_memory() -> None:
    """Leave to the next run, and to other workers, what the last one had."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
