"""D: divergences between the reading of a unit and that of the one before, batch means.

A file has `divergence(reading, previous, options) -> Tensor ()`; `previous` is a constant.
"""
