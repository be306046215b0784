"""What a pipeline cannot do, or not with the numbers of one process: refused by name."""

from collections.abc import Iterator, Mapping

from svp_core import metrics
from svp_core.config.pairs import ConfigError
from svp_core.local.auxiliaries import ema
from svp_core.methods import Method
from svp_core.methods.svp import SVP


def require_pipeline(config: Mapping, method: Method, ranks: int) -> None:
    """Raise ConfigError, naming the option, for the first thing that a pipeline cannot do."""
    for offence in refusals(config, method, ranks):
        raise ConfigError(f"{offence} (--parallel pipeline)")


def refusals(config: Mapping, method: Method, ranks: int) -> Iterator[str]:
    """Yield what is impossible, each `key: reason`."""
    if type(method) is not SVP:
        yield f"method: {config['method']} does not train the units of svp"
        return
    if ranks < 2:
        yield f"--ranks: {ranks} rank has nobody to send to; train without"
    if ranks > len(method.units):
        yield f"--ranks: {ranks} ranks for {len(method.units)} units"
    if method.recipe.cuda_graphs:
        yield "recipe.cuda_graphs: units wait for other ranks within a step"
    for offence in of_options(method):
        yield f"method_options.{offence}"
    for name in config["metrics"]:
        if getattr(metrics.load(name), "READS_NETWORK", False):
            yield f"metrics: {name} needs the weights of all units in one place"


def of_options(method: SVP) -> Iterator[str]:
    """Yield the options that need weights, or random numbers, of other ranks."""
    options = method.options
    if options.overlap:
        yield "overlap: a loss would reach back into units of another rank"
    if options.update != "fused":
        yield f"update: {options.update} all units, and no rank knows when all are done"
    if method.target is not None:
        yield f"target: {options.target} sends back what the last unit says"
    if any(isinstance(unit.auxiliary, ema.Average) for unit in method.units):
        yield f"auxiliary: {options.auxiliary} follows the weights of the next unit"
    if len(set(method.readouts)) < len(method.units):
        yield f"readout: {options.readout} is trained by all units"
    for name in ("dropout", "noise"):
        if getattr(options, name):
            yield f"{name}: ranks would draw other random numbers than one process"
