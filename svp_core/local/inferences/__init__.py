"""From what all units read to the prediction of the network.

A file has `build(rows, task, options) -> nn.Module`, called with the readings of all units; it
returns log-probabilities (B, K). One with `observe(readings, labels, share)` is shown those of
every training step, or of its micro-batches, each a `share` of it.
"""
