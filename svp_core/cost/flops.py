"""Floating-point operations of a training step: counted by torch, and in closed form."""

from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from svp_core.methods import Method


def count_flops(method: Method, images: Tensor, labels: Tensor) -> int:
    """Return the FLOPs of matrix products and convolutions of one step, which changes the method.

    Forward and backward pass, projection and back-projection, and what is computed twice.
    """
    with FlopCounterMode(display=False) as counter:
        method.step(images, labels)
    return counter.get_total_flops()


def macs(widths: list[int], d0: int | None = None) -> int:
    """Return MACs (2 FLOPs each) per image of layers widths[0] -> ... -> widths[-1] in training.

    SVP with `d0` rows a projection, read directly: 2 d_{i-1} d_i + 2 d0 d_i a layer, forward and
    weight gradient, projection and back-projection; BP (None), whose head is the last layer:
    3 d_{i-1} d_i, less the gradient of the image, which nobody needs.
    """
    pairs = list(zip(widths, widths[1:], strict=False))
    if d0 is not None:
        return sum(2 * before * after + 2 * d0 * after for before, after in pairs)
    return sum(3 * before * after for before, after in pairs) - widths[0] * widths[1]
