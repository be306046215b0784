"""A pipeline of processes over torch.distributed: each holds some units and trains them by itself.

Activations are sent forward and nothing is sent back, so that a rank works on the next batch while
later ones still work on the last.
"""
