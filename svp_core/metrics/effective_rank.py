"""How many directions phi(h), or v, fills: exp of the entropy of its spectrum.

Roy & Vetterli 2007: singular values of the centred features, divided by their sum, as
probabilities. It is 1 on a line, d if all d directions are equal.
"""

import torch
from torch import Tensor

from svp_core.spectrum import variances


def of_features(features: Tensor, labels: Tensor) -> float:
    """Return the effective rank of features (N, d), from 1 to min(N, d); 0 if they are constant."""
    singular = variances(features).sqrt()
    if (whole := singular.sum()) == 0:
        return 0.0
    return torch.special.entr(singular / whole).sum().exp().item()


of_projected = of_features
