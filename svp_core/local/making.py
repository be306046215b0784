"""What units are made of, by the options of their method: groups of blocks, projections, rules."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from svp_core import local
from svp_core.config.options import OptionSet
from svp_core.local.inferences import last, mean
from svp_core.local.unit import Reading
from svp_core.seeds import derive
from svp_core.task import Task


def grouped(count: int, size: int) -> list[range]:
    """Return the places of the blocks of every unit; the last one may have fewer."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def alignments(rows: list[int], options: OptionSet) -> list[Callable[[Reading, Reading], Tensor]]:
    """Return the divergence of every unit; nothing if there is none."""
    file = local.load("alignments", options.alignment)
    if hasattr(file, "build"):
        return file.build(rows, options)
    return file.divergence and [partial(file.divergence, options=options)] * len(rows) or []


def inference_rules(rows: list[int], task: Task, options: OptionSet) -> dict[str, nn.Module]:
    """Return the chosen rule, and those that cost nothing to know as well, by name."""
    chosen = {options.inference: local.load("inferences", options.inference)}
    modules = {"last": last, "mean": mean} | chosen  # imported, so that they are sources of a run
    return {name: module.build(rows, task, options) for name, module in modules.items()}


def projection(options: OptionSet, rows: int, columns: int, seed: int, place: int) -> Tensor | None:
    """Return tau R (rows, columns) of a unit at this place, the same for the same seed and draw."""
    stream = [] if options.shared else [place]
    stream += ["draw", options.draw] if options.draw else []
    generator = torch.Generator().manual_seed(derive(seed, "projection", *stream))
    drawn = local.load("projections", options.projection).draw(rows, columns, generator)
    return None if drawn is None else options.scale * drawn
