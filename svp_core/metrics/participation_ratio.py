"""How many directions hold the variance of phi(h), or v: (sum of variances)^2 / sum of squares.

Variances along the principal axes; 1 on a line, d if all d are equal (Gao et al. 2017).
"""

from torch import Tensor

from svp_core.spectrum import gram


def of_features(features: Tensor, labels: Tensor) -> float:
    """Return the ratio for features (N, d), from 1 to min(N, d); 0 if they are constant."""
    products = gram(features)  # whose spectrum is that of the covariance, times N
    squares = products.square().sum()
    return (products.trace() ** 2 / squares).item() if squares > 0 else 0.0


of_projected = of_features
