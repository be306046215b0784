"""Parts of local methods, one file each: projections, readouts and alignments, found by name."""

from importlib import import_module
from types import ModuleType


def load(folder: str, name: str) -> ModuleType:
    """Return the file `name` of a folder of parts, such as `projections`."""
    return import_module(f"svp_core.local.{folder}.{name}")
