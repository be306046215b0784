"""How many blocks have something alive at once, in a step."""

import weakref
from collections import Counter

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from svp_core.auditing.forks import Trial


class Kept:
    """What autograd keeps in place of a tensor; its end tells when autograd lets go."""

    def __init__(self, tensor: Tensor, alive: "Alive"):
        self.tensor, self.saved, self.place = tensor.detach(), alive.saved, alive.entered
        self.saved[self.place] += 1

    def __del__(self):
        self.saved[self.place] -= 1


class Alive:
    """Counts, whenever a block is entered, it and those others of which something is kept.

    That is what autograd saved since they were entered, or their output; that of the block before
    is the input of this one, and does not count.
    """

    def __init__(self, trial: Trial):
        self.saved: Counter[int] = Counter()
        self.outputs: dict[int, weakref.ref] = {}
        self.entered, self.most = 0, 1
        for place, block in enumerate(trial.blocks):
            trial.on_entry(place, lambda own=place: self.enter(own))
            trial.handles.append(
                block.register_forward_hook(lambda *given, own=place: self.leave(own, given[2]))
            )
        self.hooks = saved_tensors_hooks(
            lambda tensor: Kept(tensor, self), lambda kept: kept.tensor
        )

    def enter(self, place: int) -> None:
        self.entered = place
        kept = {one for one, count in self.saved.items() if count > 0}
        kept |= {
            one for one, output in self.outputs.items() if one != place - 1 and output() is not None
        }
        self.most = max(self.most, len(kept | {place}))

    def leave(self, place: int, output: Tensor) -> None:
        self.outputs[place] = weakref.ref(output)


def most_alive(trial: Trial) -> int:
    """Return the largest number of blocks of which something is alive at once."""
    alive = Alive(trial)
    with alive.hooks:
        trial.step()
    return alive.most
