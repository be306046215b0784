"""How errors travel otherwise than by the transposed weights of the forward pass."""
