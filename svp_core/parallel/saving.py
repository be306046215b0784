"""Checkpoints of all ranks together: one file, that of one process; any number goes on from it."""

import signal
import time
from collections.abc import Mapping, Sequence

import torch

from svp_core.parallel.stage import SAVE, Stage
from svp_core.runtime import interruption
from svp_core.training.checkpoint import Saving


class JointSaving:
    """Saves at a step that the first rank chooses and that travels with the activations."""

    def __init__(self, saving: Saving, stage: Stage, names: Sequence[str]):
        self.saving, self.stage, self.names = saving, stage, names  # those of the whole, in order
        self.ranks = stage.ranks
        self.spans = self.ranks.all(stage.span)
        self.found: Mapping | None = None
        stage.decide = self.decide

    def decide(self) -> int:
        """Return the order of the step to come: a signal's number, SAVE, or 0."""
        if interruption.held:
            return signal.Signals[interruption.held[0]].value
        return SAVE if self.saving.is_due() else 0

    def is_due(self) -> bool:
        """Whether the last step was one to save after."""
        return self.stage.order == SAVE

    def save(self, state: dict) -> None:
        """Write the state, the parts of all ranks put together, at the last rank."""
        if not self.saving.path:
            return
        parts = self.ranks.gather(state["method"])
        if parts:
            self.saving.save(state | {"method": merged(parts, self.names)})
        self.saving.saved_at = time.monotonic()

    def load_state(self, state: Mapping) -> None:
        """Take the state of a checkpoint, at the last rank, for `share`."""
        self.found = state

    def share(self, history: dict) -> None:
        """Continue, every rank with its part, from what the last one has found, if anything."""
        history |= self.ranks.from_rank(-1, history)
        if self.ranks.from_rank(-1, self.found is not None):
            parts = self.found and [part(self.found, span, self.spans) for span in self.spans]
            self.stage.load_state(self.ranks.scatter(parts))
            self.found = None


def merged(parts: Sequence[Mapping], names: Sequence[str]) -> dict:
    """Return the state of the whole network of those of its ranks, in the order of one process."""
    modules = {name: value for part in parts for name, value in part["modules"].items()}
    sums = {
        name: torch.cat([part["sums"][name].cpu() for part in parts]) for name in parts[0]["sums"]
    }
    return {
        "modules": {name: modules[name] for name in names},
        "optimizers": [one for part in parts for one in part["optimizers"]],
        "sums": sums,
    }


def part(state: Mapping, span: range, spans: Sequence[range]) -> dict:
    """Return what the rank of these units needs of the state of the whole network."""
    is_last = span == spans[-1]
    return {
        "modules": {
            name: value for name, value in state["modules"].items() if belongs(name, span, is_last)
        },
        "optimizers": [state["optimizers"][index] for index in span],
        "sums": {name: value[span.start : span.stop] for name, value in state["sums"].items()},
    }


def belongs(name: str, span: range, is_last: bool) -> bool:
    """Whether a tensor is of one of these units, or of a rule of inference at the last rank."""
    kind, _, rest = name.partition(".")
    return is_last if kind == "rules" else int(rest.partition(".")[0]) in span
