"""Networks between a unit's activation and what is read from it, thrown away where nothing is read.

A file has `build(blocks, groups, options, seed) -> list[nn.Module | None]`, one a unit; `groups`
are the places of its blocks. Its `Options` say with `ahead` how many blocks later the widths are
that are read. One with `follow()` is called after every step.
"""
