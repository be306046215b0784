"""Stochastic Layer-wise Learning: SVP whose alignment is, by default, the Bhattacharyya surrogate (v4)."""

from svp_core.methods.svp import build

__all__ = ["build"]
