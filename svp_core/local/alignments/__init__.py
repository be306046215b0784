"""D: divergences between the reading of a unit and that of the one before, batch means.

A file has `divergence(reading, previous, options) -> Tensor ()`; `previous` is a constant.
One that the fast step serves has `add_to(loss, gradient, reading, previous, share, options)` as
well, which adds `share` of the sum over the batch, not the mean, to a loss and to its gradient by
the field of the reading that `BY` names, `projected` or `logits`.
"""
