"""The last units of a sweep, kept so that the losses of later ones train them as well."""

from collections import deque

from torch import Tensor, nn


class Chain:
    """Up to `overlap` units before the newest: what went into each, its blocks, what came out.

    A graph of autograd ends at every unit, whose input is a leaf; `backward` carries a gradient
    across. Nothing is computed twice, and batch norms and dropout see a batch once.
    """

    def __init__(self, overlap: int):
        self.units: deque[tuple[Tensor, nn.Module, Tensor]] = deque(maxlen=overlap)

    def append(self, hidden: Tensor, blocks: nn.Module, output: Tensor) -> Tensor:
        """Keep what a unit does; return its output as the input of the next one."""
        following = output.detach()
        if self.units.maxlen:
            self.units.append((hidden, blocks, output))
            following.requires_grad_()
        return following

    def backward(self, hidden: Tensor) -> None:
        """Carry the gradient of the input `hidden` of the newest unit to all units kept."""
        for place in reversed(range(len(self.units))):
            before, blocks, output = self.units[place]
            is_done = place == 0 and len(self.units) == self.units.maxlen
            # nobody needs the gradient of what the first of them is given
            inputs = [*blocks.parameters(), *([before] if place else [])]
            output.backward(hidden.grad, retain_graph=not is_done, inputs=inputs)
            hidden.grad, hidden = None, before
        hidden.grad = None
