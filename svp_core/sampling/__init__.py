"""Backpropagation that keeps a sample of the activations: fewer rows of a matrix product."""
