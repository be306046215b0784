"""No projection: v is the activation itself, the ablation in which representations may collapse."""

from torch import Generator

from svp_core.config.options import OptionSet


class Options(OptionSet):
    """None of its own."""

    keeps_width = True

    def refuse(self, run):
        if self.d0 is not None:
            yield f"d0: {self.d0} rows, but the projection identity has none; leave null"
        if self.shared:
            yield "shared: the projection identity has no matrix to share"


def draw(rows: int, columns: int, generator: Generator) -> None:
    """Return no matrix: nothing is multiplied."""
    return None
