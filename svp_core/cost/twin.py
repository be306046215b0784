"""A copy of a network that has sizes but no contents: its steps take no memory and no time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode


@contextmanager
def fake_twin(network: nn.Module | Sequence[nn.Module]) -> Iterator[nn.Module]:
    """Yield the copy, within a context in which new tensors are such as well."""
    mode = FakeTensorMode()
    with FakeCopyMode(mode):
        twin = deepcopy(network)
    with mode:
        move_to_cpu([twin] if isinstance(twin, nn.Module) else twin)
        yield twin


def move_to_cpu(twins: Sequence[nn.Module]) -> None:
    """Replace what is elsewhere: `Module.cpu` cannot do so where tensors have no contents."""
    moved: dict[Tensor, Tensor] = {}
    for module in (module for twin in twins for module in twin.modules()):
        for held in (module._parameters, module._buffers):
            for name, one in held.items():
                if one is not None and one.device.type != "cpu":
                    if one not in moved:
                        there = one.detach().cpu()
                        is_parameter = held is module._parameters
                        moved[one] = (
                            nn.Parameter(there, one.requires_grad) if is_parameter else there
                        )
                    held[name] = moved[one]
