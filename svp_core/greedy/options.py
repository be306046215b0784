"""Options of local losses, which are read without torch."""

from svp_core.config.options import choice, declared, like
from svp_core.config.run import MethodOptions

OF_SVP = declared("methods", "svp")


class GreedyOptions(MethodOptions):
    """The units, and how they predict together."""

    blocks: int = like(OF_SVP, "blocks")
    inference: str = choice(
        "last", "mean", meaning="prediction of the last unit, or the mean of all log-posteriors"
    )
    has_unit_rates = True
    # no options: svp's units are updated before the next one runs, and by no later loss
    update, overlap, own_weight = "fused", 0, 1.0

    def refuse(self, run):
        depth = run.model.block_count
        if depth and self.blocks > depth:
            yield f"blocks: {self.blocks} exceeds depth {depth}"
