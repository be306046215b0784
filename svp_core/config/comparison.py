"""Whether what was recorded is what is planned, and by which key it is not."""

from collections.abc import Mapping

from svp_core.config import SCHEMA
from svp_core.config.filling import filled
from svp_core.config.pairs import ConfigError

DEFAULTS = {key: one["default"] for key, one in SCHEMA["properties"].items() if "default" in one}


def with_defaults(recorded: Mapping, defaults: Mapping = DEFAULTS) -> Mapping:
    """Return a recorded run with the options that were added since, at their defaults.

    One of options that are no longer known is returned as it is. A cell of cost has no `defaults`.
    """
    try:
        return {**defaults, **recorded, **filled(recorded)}
    except (ConfigError, OSError, LookupError, TypeError, AttributeError):
        return recorded


def is_same(recorded: Mapping, planned: Mapping) -> bool:
    """Whether a recorded run is the planned one but for options added since, by default."""
    return difference(with_defaults(recorded), planned) is None


def difference(found: object, wanted: object, path: str = "") -> str | None:
    """Return the first key of two mappings that differs, `recipe.epochs is 2, planned 1`."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        for key in [*wanted, *(key for key in found if key not in wanted)]:
            place = f"{path}.{key}" if path else key
            if key not in found or key not in wanted:
                return f"{place} is {'missing' if key in wanted else 'not planned'}"
            if found_there := difference(found[key], wanted[key], place):
                return found_there
        return None
    is_equal = found == wanted and isinstance(found, bool) == isinstance(wanted, bool)
    return None if is_equal else f"{path} is {found}, planned {wanted}"
