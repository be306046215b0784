"""D: divergences between the reading of a unit and that of the one before, batch means.

A file has `divergence(reading, previous, options) -> Tensor ()`; `previous` is a constant.
`BY` names the field of a reading that it compares; a pipeline of processes sends that alone, of a
file without it all.
"""
