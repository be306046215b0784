"""R_i: fixed random matrices that read an activation, drawn once a run and never trained.

A file has `draw(rows, columns, generator) -> Tensor (rows, columns)`. Every law has entries of mean
0 and variance 1/columns, so that a reading keeps the scale of the activation's units:
E|R h|^2 = rows/columns |h|^2.
"""
