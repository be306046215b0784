"""What the posteriors of units before the last one learn.

A file has `build(task, options) -> nn.Module | None`: from labels (B,) to probabilities (B, K), or
None for the labels. It has `observe(logits, labels, share)`, called after every training step, or a
`share` of it, with the logits (B, K) of the last unit, detached.
"""
