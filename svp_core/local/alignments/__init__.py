"""D: divergences between the reading of a unit and that of the one before, batch means.

A file has `divergence(reading, previous, options) -> Tensor ()`; `previous` is a constant.
`READS` names what it takes of `previous`, by default all: a pipeline of processes sends that alone.
"""
