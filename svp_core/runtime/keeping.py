"""What a pass by hand keeps for its way back, told to whoever measures memory.

Autograd has hooks for this; what is kept without it is followed by a witness that lives as long.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

follow: Callable[[Tensor], Any] | None = None  # set while memory is measured


@contextmanager
def followed(by: Callable[[Tensor], Any]) -> Iterator[None]:
    """Show every tensor that is kept meanwhile to a function, whose result lives as long as it."""
    global follow
    follow = by
    try:
        yield
    finally:
        follow = None


def witness(kept: Any) -> list | None:
    """Return what lives beside what is kept, a tensor or some; None while nobody follows."""
    if follow is None:
        return None
    return [follow(one) for one in tree_leaves(kept) if isinstance(one, Tensor)]
