"""Dictionaries of features that are found in the activations of a trained network."""
