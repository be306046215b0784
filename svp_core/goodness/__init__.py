"""Layers that are trained to be active for what is right and quiet for what is wrong."""
