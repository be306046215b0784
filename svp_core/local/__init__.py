"""Parts of local methods, one file each, found by name.

Projections, readouts, alignments, auxiliary networks, neurons, targets and rules of inference.
"""

from importlib import import_module
from types import ModuleType


def load(folder: str, name: str) -> ModuleType:
    """Return the file `name` of a folder of parts, such as `projections`."""
    return import_module(f"svp_core.local.{folder}.{name}")
