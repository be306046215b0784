"""Stochastic Layer-wise Learning: SVP with the Bhattacharyya surrogate (v4 of the paper)."""

from svp_core.methods.svp import build

__all__ = ["build"]
