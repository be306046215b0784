"""Accuracy and calibration of the network on test images with Gaussian noise.

accuracy_noise_N in percent, nll_noise_N and ece_noise_N as without noise; N is the standard
deviation of the noise in percent of that of the training images' pixels (images are divided by it).
"""

import torch

from svp_core.metrics import Inside, accuracy, ece, nll

READS_NETWORK = True  # which a pipeline has in no one place
LEVELS = (25, 50, 100)  # percent of the standard deviation of pixels
SEED = 0  # of the noise, the same for every network
OF = {"accuracy": accuracy, "nll": nll, "ece": ece}


def of_layers(inside: Inside) -> dict[str, float]:
    """Return the three at every level."""
    generator = torch.Generator().manual_seed(SEED)
    noise = torch.randn(inside.images.shape, generator=generator).to(inside.images)
    values, labels = {}, inside.labels
    for level in LEVELS:
        posterior = inside.method.predict(inside.images + noise * (level / 100)).network
        for name, metric in OF.items():
            total = metric.total(posterior, labels)
            values[f"{name}_noise_{level}"] = metric.value(total, len(labels))
    return values
