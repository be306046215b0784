"""Any network as a sequence of blocks: its forward pass is traced and cut after named modules.

Only what holds a named module is traced; all other modules are taken as they are, so that what
happens inside a layer does not matter.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import fx, nn
from torch.nn import functional as F

from svp_core.config.pairs import ConfigError
from svp_core.data.files import brief

ROOT = "network"  # how the wrapper below, which is traced, calls the network
# where a forward pass has these as functions, they go with the module before them
TRAILING = {
    *(F.relu, F.gelu, F.silu, F.elu, F.leaky_relu, F.hardtanh, F.softplus, F.max_pool2d),
    *(F.avg_pool2d, torch.relu, torch.tanh, torch.sigmoid, "relu", "tanh", "sigmoid", "relu_"),
}


class Parts(NamedTuple):
    """Blocks in the order of the forward pass, and what follows them: a head, or nothing."""

    blocks: list[nn.Module]
    head: nn.Module | None


class Network(nn.Module):
    """Calls a network with images alone: its further arguments keep their defaults."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images)


class Tracer(fx.Tracer):
    """Traces through the modules that `is_open(path, module)` names."""

    def __init__(self, is_open: Callable[[str, nn.Module], bool]):
        super().__init__()
        self.is_open = is_open

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return name != ROOT and not self.is_open(name.removeprefix(f"{ROOT}."), module)


def cut(network: nn.Module | Sequence[nn.Module], units: Sequence[str]) -> Parts:
    """Return the blocks that end at the modules of these paths; the rest is the head.

    A sequence of modules is taken as the blocks. Raises ConfigError naming a path that is no
    module, or where more than one tensor crosses.
    """
    if not isinstance(network, nn.Module):
        if units:
            raise ConfigError("units: a list of modules is cut already; leave them out")
        return Parts(list(network), None)
    if not units:
        raise ConfigError(f"units: no place found to cut {name_of(network)}; name its modules")
    known = dict(network.named_modules())
    for path in units:
        if path not in known or not path:
            raise ConfigError(f"units: {path!r} is no module of {name_of(network)}; {near(known)}")
    nodes = trace(network, lambda name, _: any(path.startswith(f"{name}.") for path in units))
    ends = sorted(end_of(path, nodes) for path in units)
    if len(set(ends)) < len(ends):
        raise ConfigError(f"units: two of {', '.join(units)} end at the same place")
    for end in ends:
        if (crossing := crossings(nodes, end)) != [nodes[end]]:
            names = ", ".join(map(str, crossing))
            raise ConfigError(
                f"units: {name_of(network)} cannot be cut after {last_module(nodes, end)!r}:"
                f" {len(crossing)} values cross there ({names})"
            )
    return Parts(*segments(network, nodes, ends))


def trace(network: nn.Module, is_open: Callable[[str, nn.Module], bool]) -> list[fx.Node]:
    """Return what the forward pass does, in order, from the images on; raises ConfigError."""
    graphs = []
    was_training = network.training
    try:
        for mode in (True, False):
            network.train(mode)
            graphs.append(Tracer(is_open).trace(Network(network)))
    except Exception as error:  # whatever a forward pass does to what is no tensor
        raise ConfigError(
            f"units: the forward pass of {name_of(network)} cannot be traced ({brief(error)});"
            " name modules further out, or give a list of modules instead of a network"
        ) from error
    finally:
        network.train(was_training)
    if len({str(graph) for graph in graphs}) > 1:
        raise ConfigError(
            f"units: the forward pass of {name_of(network)} itself depends on `training`, as of"
            " F.dropout; make it a module, such as nn.Dropout"
        )
    *nodes, output = graphs[0].nodes
    if not isinstance(output.args[0], fx.Node):
        raise ConfigError(f"units: {name_of(network)} returns several values, not one tensor")
    last = nodes.index(output.args[0])
    return nodes[: last + 1]


def end_of(path: str, nodes: list[fx.Node]) -> int:
    """Return the place of the last node of the block that ends at a module."""
    places = [place for place, node in enumerate(nodes) if module_path(node) == path]
    if len(places) != 1:
        raise ConfigError(
            f"units: {path!r} is called {len(places)} times by the forward pass; a unit ends at a"
            " module that is called once"
        )
    (place,) = places
    while place + 1 < len(nodes) and nodes[place + 1].target in TRAILING:
        place += 1
    return place


def module_path(node: fx.Node) -> str | None:
    """Return the path of the module that a node calls."""
    return node.target.removeprefix(f"{ROOT}.") if node.op == "call_module" else None


def last_module(nodes: list[fx.Node], end: int) -> str | None:
    return next((path for node in nodes[end::-1] if (path := module_path(node))), None)


def crossings(nodes: list[fx.Node], end: int) -> list[fx.Node]:
    """Return the values that what follows a place needs; parameters are no such values."""
    later = set(nodes[end + 1 :])
    crossing = [n for n in nodes[: end + 1] if n.op != "get_attr" and later & n.users.keys()]
    return crossing if later else [nodes[end]]


def segments(
    network: nn.Module, nodes: list[fx.Node], ends: list[int]
) -> tuple[list[nn.Module], nn.Module | None]:
    """Return a module for what lies before each of the ends, and one for what is left."""
    places = pairwise([0, *(end + 1 for end in ends), len(nodes)])
    parts = [nodes[start:stop] for start, stop in places]
    made = []
    for index, part in enumerate(parts):
        incoming = nodes[ends[index - 1]] if index else nodes[0]
        made.append(segment(network, part, incoming) if part else None)
    refuse_shared(network, made)
    return made[:-1], made[-1]


def segment(network: nn.Module, part: list[fx.Node], incoming: fx.Node) -> fx.GraphModule:
    """Return a module of consecutive nodes; it holds the network's own modules, no copies."""
    graph = fx.Graph()
    copies = {incoming: graph.placeholder("hidden")}
    for node in part:
        for one in node.all_input_nodes:
            if one not in copies:  # a parameter that an earlier part has read as well
                copies[one] = graph.node_copy(one)
        if node not in copies:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[part[-1]])
    return fx.GraphModule(Network(network), graph, class_name="Block")


def refuse_shared(network: nn.Module, made: list[nn.Module | None]) -> None:
    """Raise ConfigError if two parts have a parameter in common: each is trained on its own."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    counts = Counter(p for part in made if part is not None for p in part.parameters())
    for parameter, count in counts.items():
        if count > 1:
            raise ConfigError(f"units: {names[parameter]} belongs to {count} units")


def name_of(network: nn.Module) -> str:
    return type(network).__name__


def near(known: dict[str, nn.Module]) -> str:
    """Say which modules there are, the outermost first."""
    paths = sorted(filter(None, known), key=lambda path: path.count("."))
    return f"it has {', '.join(paths[:8])}{', ...' if len(paths) > 8 else ''}"
