"""From a projected activation v (B, d0) to class logits (B, K), constant or trained.

A file has `build(rows, task, options, seed) -> list[nn.Module]`: the readout of every unit, whose
projection has so many rows. One that serves several units is trained by all of them. A readout
with `observe(v, labels, share)` is shown v (B, d0), detached, and labels (B,) of every training
step before it reads them, or of one micro-batch after another, each a `share` of the step.
"""
