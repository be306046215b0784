"""D: divergences between the reading of a unit and that of the one before, batch means.

A file has `divergence(reading, previous, options) -> Tensor ()`; `previous` is a constant.
One that the fast step serves has `slope(reading, previous, share, options)` as well: `share` of the
sum over the batch, not the mean, and its gradient by the field of the reading that is named `BY`.
"""
