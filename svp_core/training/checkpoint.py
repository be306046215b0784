"""Checkpoints of a training: the state after a step, with the config that it belongs to."""

import json
import time
import warnings
from pathlib import Path

import torch

from svp_core.config.pairs import format_pairs
from svp_core.records import RecordError, read_run
from svp_core.runtime.files import write_atomically
from svp_core.training import record

# beside the config, what makes two runs the same
IDENTITY = {"source_hash": "sources", "data_hash": "data"}
SHARE = 0.02  # of a training's time that saves after epochs may take
FIELDS = {"config", *IDENTITY, "environments", "curves", "position", "method"}


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be continued from; the message names the file and the reason."""


class Saving:
    """What a run keeps between processes, if it has a path; without one, nothing."""

    def __init__(self, path: Path | None, seconds: float):
        self.path, self.seconds = path, seconds
        # Snakemake deletes the outputs of a whole group of runs when one of them fails
        self.record_path = path and path.with_suffix(".record.json")
        self.lock_path = path and path.with_suffix(".lock")
        self.saved_at, self.took = time.monotonic(), 0.0  # when and how long, in seconds

    def files(self) -> dict[str, Path]:
        """Return the files that are written, by what they are."""
        if not self.path:
            return {}
        others = {"its copy of the record": self.record_path, "its lock": self.lock_path}
        return {"--checkpoint": self.path} | others

    def is_due(self) -> bool:
        """Whether the last save was long ago."""
        return self.path is not None and time.monotonic() >= self.saved_at + self.seconds

    def pays(self) -> bool:
        """Whether a save takes little beside the time since the last one, as the first one does."""
        return time.monotonic() >= self.saved_at + self.took / SHARE

    def save(self, state: dict) -> None:
        """Write the state, whole or not at all."""
        if self.path:
            started = time.monotonic()
            write_atomically(self.path, lambda file: torch.save(state, file))
            self.saved_at = time.monotonic()
            self.took = self.saved_at - started

    def load(self, history: dict) -> dict | None:
        """Return the saved state, None if there is none; raises CheckpointError."""
        return load(self.path, history) if self.path else None

    def finish(self, result: dict) -> None:
        """Keep the record in place of the checkpoint."""
        if self.path:
            record.write(self.record_path, result)
            self.path.unlink(missing_ok=True)

    def finished_record(self, config: dict, origin: dict) -> dict | None:
        """Return the kept record if it is of this config, of these sources and of these data."""
        if not self.path or not self.record_path.exists():
            return None
        try:
            found = read_run(self.record_path)
        except RecordError as error:
            reason = str(error).removeprefix(f"{self.record_path}: ")
            raise CheckpointError(f"{self.record_path} is damaged ({reason}); delete it") from error
        known = found["config"], *(found["provenance"][key] for key in IDENTITY)
        if known != (config, *(origin[key] for key in IDENTITY)):
            return None
        print(f"taking the record {self.record_path}: this run is finished", flush=True)
        return found


def load(path: Path, history: dict) -> dict | None:
    """Return the state at `path`, None if there is none.

    Raises CheckpointError if it is damaged or has another config, sources or data than `history`.
    """
    if not path.exists():
        return None
    try:
        path.open("rb").close()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        with warnings.catch_warnings(action="ignore"):  # of what the error says
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch raise almost anything
        raise damaged(path, error) from error
    if not isinstance(state, dict) or set(state) != FIELDS or not is_plain(state["config"]):
        raise CheckpointError(f"{path} is no checkpoint of this version; delete it to start over")
    if state["config"] != history["config"]:
        saved, asked = (set(format_pairs(one["config"])) for one in (state, history))
        raise CheckpointError(
            f"{path} belongs to another config ({' '.join(sorted(saved ^ asked))});"
            " delete it to start over"
        )
    for key, what in IDENTITY.items():
        if state[key] != history[key]:
            raise CheckpointError(
                f"{path} belongs to other {what} ({state[key]}, now {history[key]});"
                " delete it to start over"
            )
    return state


def is_plain(config: object) -> bool:
    """Whether it is a mapping that JSON can hold, so that it can be compared and named."""
    try:
        return isinstance(config, dict) and bool(json.dumps(config))
    except (TypeError, ValueError, RecursionError):
        return False


def damaged(path: Path, reason: object) -> CheckpointError:
    """Return the error of a file that cannot be continued from."""
    lines = str(reason).splitlines() or [type(reason).__name__]
    return CheckpointError(f"{path} is damaged ({lines[0]}); delete it to start over")
