"""Accuracy of a linear probe of phi(h), in percent (Alain & Bengio 2016).

Ridge regression to the classes, features scaled to variance 1, fitted on all images but one and
scored on that one, in turn (in closed form).
"""

from sklearn.linear_model import RidgeClassifierCV
from sklearn.preprocessing import StandardScaler
from torch import Tensor

RIDGE = 10.0  # penalty of the squared weights, beside squared errors summed over images


def of_features(features: Tensor, labels: Tensor) -> float:
    """Return the percentage of the images (N, d) that are scored right."""
    x, y = features.double().cpu().numpy(), labels.cpu().numpy()
    probe = RidgeClassifierCV(alphas=[RIDGE], scoring="accuracy")
    probe.fit(StandardScaler().fit_transform(x), y)
    return 100 * float(probe.best_score_)
