"""One trainable K x d0 matrix for all units, each of whose losses gives it a gradient."""

from torch import nn

from svp_core.config.options import OptionSet
from svp_core.local.readouts.private import matrix
from svp_core.seeds import derive


class Options(OptionSet):
    """None of its own."""

    def refuse(self, run):
        rows = self.unit_rows(run)
        if len(set(rows)) > 1:
            yield f"readout: shared without a projection, but widths are {rows}"


def build(rows, task, options, seed) -> list[nn.Module]:
    """Return the same readout for every unit."""
    return [matrix(rows[0], task.classes, derive(seed, "readout"))] * len(rows)
