"""Checkpoints of a training: the state after an epoch, with the config that it belongs to."""

from pathlib import Path

import torch

from svp_core.files import write_atomically
from svp_core.settings import format_pairs

FIELDS = {"config", "source_hash", "environments", "curves", "method"}


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be continued from; the message names the file and the reason."""


def save(path: Path, state: dict) -> None:
    """Write the state, whole or not at all."""
    write_atomically(path, lambda file: torch.save(state, file))


def load(path: Path, config: dict, source_hash: str) -> dict | None:
    """Return the state at `path`, None if there is none.

    Raises CheckpointError if it is damaged or was written by another config or other sources.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes torch raise almost anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{path} is damaged ({reason}); delete it to start over") from error
    if not isinstance(state, dict) or set(state) != FIELDS:
        raise CheckpointError(f"{path} is no checkpoint of a training; delete it to start over")
    if state["config"] != config:
        saved, asked = (set(format_pairs(one)) for one in (state["config"], config))
        raise CheckpointError(
            f"{path} belongs to another config ({' '.join(sorted(saved ^ asked))});"
            " delete it to start over"
        )
    if state["source_hash"] != source_hash:
        raise CheckpointError(
            f"{path} was written by other sources ({state['source_hash']}, now {source_hash});"
            " delete it to start over"
        )
    return state
