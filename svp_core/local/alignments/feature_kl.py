"""|phi(h_i) - phi(h_{i-1})|^2 / (2 s^2): the KL on activations, unprojected (collapses)."""

from torch import Tensor

from svp_core.config.options import OptionSet, declared, like
from svp_core.local.alignments.gaussian_kl import squared_distance
from svp_core.local.unit import Reading

GAUSSIANS = declared("local/alignments", "gaussian_kl")

BY = "features"  # the field of a reading that it compares


class Options(OptionSet):
    """The width of the Gaussians."""

    alignment_std: float = like(GAUSSIANS, "alignment_std")

    def refuse(self, run):
        widths = self.read_widths(run)
        if len(set(widths)) > 1:
            yield f"alignment: feature_kl cannot compare units of widths {widths}"


def divergence(reading: Reading, previous: Reading, options: Options) -> Tensor:
    """Return the divergence of phi(h) (B, d), a mean over the batch."""
    return squared_distance(reading.features, previous.features, 2 * options.alignment_std**2)
