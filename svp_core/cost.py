"""Multiply-accumulates of a training step, in closed form, for dense networks."""


def macs(widths: list[int], d0: int | None = None) -> int:
    """Return MACs per image of layers widths[0] -> ... -> widths[-1] trained by SVP, or by BP.

    SVP with `d0` rows a projection: 2 d_{i-1} d_i + 2 d0 d_i a layer, forward and weight gradient,
    projection and back-projection; BP (None), whose head is the last layer: 3 d_{i-1} d_i, less
    the gradient of the image, which nobody needs.
    """
    pairs = list(zip(widths, widths[1:], strict=False))
    if d0 is not None:
        return sum(2 * before * after + 2 * d0 * after for before, after in pairs)
    return sum(3 * before * after for before, after in pairs) - widths[0] * widths[1]
