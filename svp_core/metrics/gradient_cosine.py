"""Cosine between what a unit's blocks follow and BP's gradient of the same weights and images.

BP's: that of the cross-entropy of the last unit's logits, through all units after this one. 1 where
the two agree, 0 where they have nothing to do with each other. Not for a method that is BP.
"""

from torch.nn import functional as F

from svp_core.metrics import Inside

READS_NETWORK = True
IMAGES = 128  # or a micro-batch of the training, if that is smaller


def of_layers(inside: Inside) -> dict[str, list[float]]:
    """Return `unit_gradient_cosine`; it takes the memory that a step of BP would take."""
    recipe = inside.method.recipe
    count = min(IMAGES, recipe.batch_size // recipe.micro_batches)
    pairs = inside.method.gradients(inside.images[:count], inside.labels[:count])
    cosines = [F.cosine_similarity(*(g.double() for g in pair), dim=0).item() for pair in pairs]
    return {"unit_gradient_cosine": cosines} if cosines else {}
