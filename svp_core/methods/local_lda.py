"""Local discriminant learning, this suite's recommendation: SVP's units, read by Bayes' rule.

Not the paper's method: its projections and local losses with the readout lda, and no alignment.
"""

from svp_core.config.options import declared, like
from svp_core.methods.svp import build

__all__ = ["Options", "build"]

SVP = declared("methods", "svp")


class Options(SVP):
    """Those of svp, with other defaults."""

    d0: int | None = like(SVP, "d0", default=128)
    readout: str = like(SVP, "readout", default="lda")
    alignment: str = like(SVP, "alignment", default="none")
    inference: str = like(SVP, "inference", default="stacked")
