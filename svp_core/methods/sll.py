"""Stochastic Layer-wise Learning: SVP with the Bhattacharyya surrogate (v4 of the paper)."""

from svp_core.config.options import declared, like
from svp_core.methods.svp import build

__all__ = ["Options", "build"]

SVP = declared("methods", "svp")


class Options(SVP):
    """Those of svp, with another alignment by default."""

    alignment: str = like(SVP, "alignment", default="bhattacharyya")
