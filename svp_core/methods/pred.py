"""Pred: the local loss of predsim without similarity, the cross-entropy of a unit's head alone.

Nokland & Eidnes 2019 (arXiv 1901.06656), svp_core/methods/predsim.py.
"""

from svp_core.config.options import declared, like
from svp_core.methods.predsim import build

__all__ = ["Options", "build"]

PREDSIM = declared("methods", "predsim")


class Options(PREDSIM):
    """Those of predsim, with another loss by default."""

    loss: str = like(PREDSIM, "loss", default="pred")
