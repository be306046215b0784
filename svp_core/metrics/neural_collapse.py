"""NC1 to NC4 of every unit (Papyan, Han & Donoho 2020); all of them go to 0 in a collapse.

nc1: variation within classes, tr(S_W S_B^+) / K, S_B of rank K - 1 or less. nc2: how far the
centred class means M (K, d) are from a simplex, |G / |G| - G* / |G*||_F of their Gram matrices,
G* = I - 1/K (Zhu et al. 2021). nc3: how far the weights W by which phi(h) is read are from the
class means, |W / |W| - M / |M||_F^2 of W centred over classes, which no softmax notices. nc4:
images whose most probable class is not that of the nearest class mean, in percent. nc3 and nc4
where a unit is read.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from svp_core.methods import Layer
from svp_core.metrics import Inside

NAMES = ("nc1", "nc2", "nc3", "nc4")
SMALL = 1e-10  # of the largest squared singular value of the means: below it is rounding


def of_layers(inside: Inside) -> dict[str, list[float | None]]:
    """Return `unit_nc1` to `unit_nc4`."""
    classes = inside.predictions.network.shape[1]
    found = [of_layer(layer, inside.labels, classes) for layer in inside.layers]
    return {f"unit_{name}": [one[name] for one in found] for name in NAMES}


def of_layer(layer: Layer, labels: Tensor, classes: int) -> dict[str, float | None]:
    """Return all four of one unit; a class without images takes no part in them."""
    features = layer.features.double()
    members = F.one_hot(labels, classes).double()
    present = members.sum(dim=0) > 0
    members = members[:, present]
    means = (members / members.sum(dim=0)).T @ features  # (K, d)
    within = features - members @ means
    centred = means - means.mean(dim=0)
    found = {"nc1": variation(within, centred), "nc2": from_simplex(centred)}
    found |= dict.fromkeys(NAMES[2:])
    if layer.weight is not None:
        weight = layer.weight.double()[present]
        found["nc3"] = distance(weight - weight.mean(dim=0), centred).square().item()
    if layer.posterior is not None:
        nearest = torch.cdist(features, means).argmin(dim=1)
        is_other = present.nonzero()[nearest, 0] != layer.posterior.argmax(dim=1)
        found["nc4"] = 100 * is_other.double().mean().item()
    return found


def variation(within: Tensor, means: Tensor) -> float:
    """Return tr(S_W S_B^+) / K of deviations (N, d) and centred means (K, d)."""
    _, size, axes = torch.linalg.svd(means, full_matrices=False)
    between = size.square() / len(means)
    is_there = between > SMALL * between.max()
    along = (within @ axes[is_there].T).square().mean(dim=0)
    return (along / between[is_there]).sum().item() / len(means)


def from_simplex(means: Tensor) -> float:
    """Return the distance of the Gram matrix of centred means (K, d) from that of a simplex."""
    count = len(means)
    simplex = torch.eye(count).to(means) - 1 / count
    return distance(means @ means.T, simplex).item()


def distance(one: Tensor, other: Tensor) -> Tensor:
    """Return the distance of two matrices, each divided by its Frobenius norm."""
    return torch.linalg.norm(one / torch.linalg.norm(one) - other / torch.linalg.norm(other))
