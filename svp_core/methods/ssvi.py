"""Sparse subspace variational inference: vi of a fixed number of active weights a layer.

Li et al. (arXiv 2402.11025). All others are 0, mean and deviation, from the first step to the last.
Every few steps the active weights of the lowest score are exchanged for those of the largest
gradient (svp_core/bayes/subspace.py), without a step of the optimiser. At density 1 it is vi.

What differs from the authors' code: any recipe (theirs is SGD, lr 0.01 for mu and sigma, cosine);
the weight of the KL grows step by step; removed weights are no candidates of the same exchange; the
gradient that adds is that of sampled sums, not of sampled weights.
"""

from svp_core.bayes.options import NetworkOptions, SubspaceOptions
from svp_core.methods.vi import VI


class Options(SubspaceOptions, NetworkOptions):
    """Those of vi, and which weights are active."""


build = VI
