"""Direct feedback alignment of the error's sign: blocks are told the label and nothing else.

sDFA of Frenkel et al. 2021 (arXiv 1909.01311): dfa with sign(e) in place of e, so +1 for every
wrong class and -1 for the right one, over the batch: softmax less one-hot label has these signs
whatever the network predicts, so no error travels (drtp draws the conclusion), and what blocks are
shown never shrinks. It is sent from the output, after the forward pass of all blocks, as in dfa.
"""

from torch import Tensor

from svp_core.feedback.options import DirectOptions
from svp_core.methods.dfa import DFA


class Options(DirectOptions):
    """None but those of direct feedback."""


class SignDFA(DFA):
    """dfa, but for what blocks are shown."""

    def signal(self, error: Tensor) -> Tensor:
        return error.sign() / (len(error) * self.micro_batches)


build = SignDFA
