"""Stochastic Variational Propagation (arXiv 2505.05181) and its baselines, in PyTorch."""
