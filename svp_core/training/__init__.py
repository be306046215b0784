"""One training, from a resolved config to its record."""
