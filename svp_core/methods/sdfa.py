"""Direct feedback alignment of the error's sign: blocks are told which class was missed only.

sDFA of Frenkel et al. 2021 (arXiv 1909.01311): dfa with sign(e) in place of e, so +1 for every
wrong class and -1 for the right one, over the batch; it does not shrink as the error does. All
else, labels and waiting too, is as in dfa.
"""

from torch import Tensor

from svp_core.feedback.direct import DirectOptions
from svp_core.methods.dfa import DFA


class Options(DirectOptions):
    """None but those of direct feedback."""


class SignDFA(DFA):
    """dfa, but for what blocks are shown."""

    def signal(self, error: Tensor) -> Tensor:
        return error.sign() / (len(error) * self.micro_batches)


build = SignDFA
