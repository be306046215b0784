"""Deterministic: phi(h) as it is."""


def build(options) -> None:
    """Return nothing."""
    return None
