"""Options of direct feedback, which are read without torch."""

from svp_core.config.options import number
from svp_core.config.run import MethodOptions


class DirectOptions(MethodOptions):
    """What methods of direct feedback have in common."""

    feedback: float = number(
        1.0, "factor of the fixed matrices, whose entries are uniform within sqrt(6 / d_i)", above=0
    )
