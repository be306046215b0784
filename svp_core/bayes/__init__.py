"""Networks whose weights are Gaussian, dense or in a sparse subspace, and what they need."""
