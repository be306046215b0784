"""Where a network may well be cut: after each of its repeated blocks, or else of its layers."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.autograd.graph import saved_tensors_hooks

from svp_core.config.pairs import ConfigError
from svp_core.cost.plan import aligned
from svp_core.cost.twin import fake_twin
from svp_core.cutting import crossings, cut, end_of, module_path, name_of, trace
from svp_core.models import passed

Network = nn.Module | Sequence[nn.Module]
KEPT = nn.MaxPool2d | nn.AvgPool2d  # beside activations, what stays with the layer before a head


class Unit(NamedTuple):
    """A row of the table of units."""

    name: str  # of the module that it ends at, or its place in a list of modules
    output: tuple[int, ...]  # shape of its activation, without the batch
    parameters: int
    memory: int  # bytes that autograd saves of a batch, without parameters


class Proposal(NamedTuple):
    """The units of a network; as text a table of them."""

    units: list[str]
    rows: list[Unit]
    head: Unit | None  # what follows the last unit
    batch_size: int

    def __str__(self) -> str:
        table = [("unit", "ends at", "output", "parameters", f"saved of {self.batch_size} images")]
        numbered = [(str(place), row) for place, row in enumerate(self.rows, start=1)]
        for number, row in [*numbered, *([("head", self.head)] if self.head else [])]:
            sizes = "x".join(map(str, row.output)), f"{row.parameters:,}"
            table.append((number, row.name, *sizes, f"{row.memory / 2**20:.2f} MiB"))
        return "\n".join(aligned(table))


def propose_units(
    network: Network,
    image_shape: Sequence[int],
    units: Sequence[str] | None = None,
    batch_size: int = 64,
) -> Proposal:
    """Return the units of a network for images (C, H, W), proposed unless given, and their sizes.

    Raises ConfigError where the network cannot be cut. Nothing is computed: any size will do.
    """
    units = list(find_units(network) if units is None else units)
    with fake_twin(network) as twin:
        parts = cut(twin, units)
        names = units or [str(place) for place in range(1, len(parts.blocks) + 1)]
        rows, hidden = [], torch.zeros(batch_size, *image_shape)
        for name, block in zip(names, parts.blocks, strict=True):
            row, hidden = measured(name, block, hidden)
            rows.append(row)
        head = measured("the output", parts.head, hidden)[0] if parts.head else None
    return Proposal(units, rows, head, batch_size)


def measured(name: str, block: nn.Module, hidden: Tensor) -> tuple[Unit, Tensor]:
    """Return the row of a block, and its activation."""
    parameters = list(block.parameters())
    known = {one.untyped_storage()._cdata for one in (*parameters, *block.buffers())}
    saved: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            saved[storage._cdata] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        output = passed(block, hidden, f"the unit that ends at {name}")
    count = sum(one.numel() for one in parameters)
    return Unit(name, tuple(output.shape[1:]), count, sum(saved.values())), output.detach()


def find_units(network: Network) -> list[str]:
    """Return the paths of the modules that the proposed units end at; none of a list of modules.

    A unit starts at every module of a class that occurs repeatedly, such as a residual block, or
    else at every layer with a weight matrix; the first has the stem, the last what follows up to a
    final linear layer. Where several values cross, no unit ends.
    """
    if not isinstance(network, nn.Module):
        return []
    nodes = trace(network, is_opened)
    modules = dict(network.named_modules())
    called = [(place, modules[path]) for place, n in enumerate(nodes) if (path := module_path(n))]
    layers = [(place, one) for place, one in called if has_matrix(one)]
    if not layers:
        raise ConfigError(f"units: {name_of(network)} has no layer to train")
    stop = len(nodes) - 1
    counts = Counter(type(one) for _, one in layers if has_children(one))
    if layers[-1][0] == stop and is_head(last := layers[-1][1]) and counts[type(last)] < 2:
        stop = last_before_head(called, layers.pop()[0])
    repeated = [place for place, one in layers if counts[type(one)] > 1]
    starts = [place for place in repeated or [place for place, _ in layers] if place <= stop]
    paths = [last_path(nodes, start) for start in starts[1:]] + [last_path(nodes, stop + 1)]
    return [path for path in dict.fromkeys(paths) if path and is_cut(path, nodes)]


def is_head(module: nn.Module) -> bool:
    """Whether the last layer of a module is linear."""
    layers = [one for one in module.modules() if any(True for _ in one.parameters(recurse=False))]
    return isinstance(layers[-1], nn.Linear)


def last_before_head(called: list[tuple[int, nn.Module]], head: int) -> int:
    """Return the place where the last unit ends: at a parameter, or at an activation after it."""
    before = [(place, one) for place, one in called if place < head]
    while before and not is_kept(before[-1][1]):
        before.pop()
    return before[-1][0] if before else -1


def is_kept(module: nn.Module) -> bool:
    is_activation = type(module).__module__ == nn.ReLU.__module__
    return is_activation or isinstance(module, KEPT) or any(True for _ in module.parameters())


def last_path(nodes: list[fx.Node], stop: int) -> str | None:
    """Return the path of the last module that is called before a place."""
    return next((path for node in nodes[:stop][::-1] if (path := module_path(node))), None)


def is_cut(path: str, nodes: list[fx.Node]) -> bool:
    """Whether one value crosses after a module that is called once."""
    if sum(module_path(node) == path for node in nodes) != 1:
        return False
    end = end_of(path, nodes)
    return crossings(nodes, end) == [nodes[end]]


def is_opened(path: str, module: nn.Module) -> bool:
    """Whether a module is looked into: a sequence, and what holds a stack of equal blocks."""
    return isinstance(module, nn.Sequential) or any(map(is_stack, module.children()))


def is_stack(module: nn.Module) -> bool:
    blocks = list(module.children())
    is_container = isinstance(module, nn.Sequential | nn.ModuleList)
    return (
        is_container
        and len(blocks) > 1
        and len({type(one) for one in blocks}) == 1
        and (has_children(blocks[0]))
    )


def has_children(module: nn.Module) -> bool:
    return any(True for _ in module.children())


def has_matrix(module: nn.Module) -> bool:
    return any(parameter.dim() > 1 for parameter in module.parameters())
