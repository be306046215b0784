"""How the weights of every unit are distributed: moments and quantiles, biases and norms left out.

unit_weight_mean, _std and _kurtosis (excess: 0 of a Gaussian), and _q01 to _q99, the value that so
many percent of the weights are below.
"""

import numpy as np
from scipy.stats import kurtosis
from torch import nn

from svp_core.metrics import Inside

READS_NETWORK = True
QUANTILES = (1, 5, 25, 50, 75, 95, 99)


def of_layers(inside: Inside) -> dict[str, list[float]]:
    """Return the values of every unit that has weights."""
    found = [of_blocks(one) for one in inside.method.layer_blocks()]
    names = found[0] if found else ()
    return {f"unit_weight_{name}": [one[name] for one in found] for name in names}


def of_blocks(blocks: nn.Module) -> dict[str, float]:
    """Return moments and quantiles of all matrices and kernels of some blocks."""
    parts = [one.detach().flatten().cpu().numpy() for one in blocks.parameters() if one.dim() > 1]
    weights = np.concatenate(parts or [[]]).astype(float)
    if not weights.size:
        names = ["mean", "std", "kurtosis", *(f"q{one:02}" for one in QUANTILES)]
        return dict.fromkeys(names)
    moments = {"mean": weights.mean(), "std": weights.std(), "kurtosis": kurtosis(weights)}
    quantiles = zip(QUANTILES, np.percentile(weights, QUANTILES), strict=True)
    return {
        name: float(value)
        for name, value in (moments | {f"q{one:02}": value for one, value in quantiles}).items()
    }
