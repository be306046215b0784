"""From what all units read to the prediction of the network.

A file has `build(rows, task, options) -> nn.Module`, called with the readings of all units; it
returns log-probabilities (B, K). One with `observe(values, labels, share)` is shown the v of all
units in every training step, or in its micro-batches, each a `share` of it; if it also has
`is_due(share)`, only in steps that this is true of before, and None of a unit in others.
"""
