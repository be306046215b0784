"""A network of one's own: a function makes it, and it is cut after named modules.

Its blocks are read by phi; backpropagation keeps the network's own head, what follows the last
block, as its prediction, other methods do without.
"""

from importlib import import_module

from torch import nn

from svp_core.config.options import choice, integer, option
from svp_core.config.pairs import ConfigError
from svp_core.config.run import ModelOptions
from svp_core.cutting import Parts, cut
from svp_core.proposal import find_units


class Options(ModelOptions):
    """Where the network comes from, where it is cut, and what is seen of its activations."""

    factory: str = option(
        "", "MODULE:FUNCTION that returns the network, of the folder one is in or installed",
        type="string",
    )  # fmt: skip
    arguments: dict = option({}, "of the function, by name", type="object")
    units: list[str] = option(
        [],
        "modules of the network that blocks end at; what follows the last is its head. Empty: as"
        " `svp_core.propose_units` finds them",
        type="array",
        items={"type": "string"},
    )
    pool: str = choice(
        "avg",
        "avg_std",
        "flatten",
        "cls",
        meaning="phi: averages of maps over cells and of all tokens, also standard deviations of"
        " maps, all of it, or the first token; vectors are seen as they are",
    )
    grid: int = integer(
        4, "of avg and avg_std, most cells a side that they keep; 1 is the whole map", at_least=1
    )

    def refuse(self, run):
        if ":" not in self.factory:
            yield f"factory: {self.factory!r} is not of the form MODULE:FUNCTION"


def parts(image_shape: tuple[int, int, int], options: Options) -> Parts:
    """Return blocks and head of the network; raises ConfigError, naming what is wrong."""
    network = make(options.factory, options.arguments)
    return cut(network, options.units or find_units(network))


def make(factory: str, arguments: dict) -> nn.Module:
    """Return what a function MODULE:FUNCTION makes; raises ConfigError unless that is a network."""
    module, _, name = factory.partition(":")
    try:
        function = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"factory: no {factory}: {error}") from error
    try:
        network = function(**arguments)
    except TypeError as error:
        raise ConfigError(f"arguments: {factory} does not take them: {error}") from error
    if not isinstance(network, nn.Module):
        raise ConfigError(f"factory: {factory} returns no nn.Module but {type(network).__name__}")
    return network
