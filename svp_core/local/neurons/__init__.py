"""Stochastic neurons at the end of a unit (arXiv 1308.3432): what is read is drawn in training.

A file has `build(options) -> nn.Module | None`: from phi(h) (B, d) to what is read in its place,
drawn in training, else its mean; None reads phi(h) itself. A module whose draws let no gradient
pass has `score(losses)`: from the losses (B,) of images a scalar of value 0 whose gradient is to be
added to that of their mean. What the next unit is given, h, is not drawn.
"""
