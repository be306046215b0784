"""|v_i - v_{i-1}|^2 / (2 s^2): the KL of two Gaussians of equal variance (SVP)."""

from torch import Tensor
from torch.nn import functional as F

from svp_core.config.options import OptionSet, number
from svp_core.local.unit import Reading

BY = "projected"  # the field of a reading that it compares


class Options(OptionSet):
    """The width of the Gaussians."""

    alignment_std: float = number(10.0, "s, the standard deviation of the Gaussians", above=0)

    def refuse(self, run):
        rows = self.unit_rows(run)
        if len(set(rows)) > 1:
            yield f"alignment: gaussian_kl cannot compare units of widths {rows}"


def divergence(reading: Reading, previous: Reading, options: Options) -> Tensor:
    """Return the divergence of v (B, d0), a mean over the batch."""
    return squared_distance(reading.projected, previous.projected, 2 * options.alignment_std**2)


def squared_distance(one: Tensor, other: Tensor, unit: float) -> Tensor:
    """Return the mean over the batch of squared distances, in units of `unit`."""
    return F.mse_loss(one, other, reduction="sum") / (len(one) * unit)
