"""The claims about SVP as rules in a file, and verdicts on them that follow from tables alone."""

from svp_core.claims.rules import CLAIMS, load
from svp_core.claims.verdicts import ALL, OVERALL, judge

__all__ = ["ALL", "CLAIMS", "OVERALL", "judge", "load"]
