"""Cosine between what a unit's blocks follow and BP's gradient of the same weights and images.

BP's: that of the cross-entropy of the last unit's logits, through all units after this one. 1 where
the two agree, 0 where they have nothing to do with each other. Not for a method that is BP.
"""

from torch.nn import functional as F

from svp_core.metrics import Inside

IMAGES = 128  # a batch, as in training


def of_layers(inside: Inside) -> dict[str, list[float]]:
    """Return `unit_gradient_cosine`."""
    pairs = inside.method.gradients(inside.images[:IMAGES], inside.labels[:IMAGES])
    cosines = [F.cosine_similarity(*(g.double() for g in pair), dim=0).item() for pair in pairs]
    return {"unit_gradient_cosine": cosines} if cosines else {}
