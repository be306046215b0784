"""Which values a schema takes, stricter than JSON Schema, and how it says what is wrong."""

import re
from collections.abc import Iterator
from math import isfinite
from typing import Any

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators

LARGEST = 2**63 - 1  # of integers in torch and in tables
LONGEST = 300  # characters of a message


def is_integer(_, value: Any) -> bool:
    """Whether it counts: 64.0 would fail where it does, and with 64 name two runs; True is none."""
    return type(value) is int and abs(value) <= LARGEST


def is_number(_, value: Any) -> bool:
    """Whether it can be computed with."""
    return is_integer(_, value) or (isinstance(value, float) and isfinite(value))


def enum(validator, allowed: list, value: Any, rules: dict) -> Iterator[ValidationError]:
    """Refuse 18.0 in place of 18, which would name another run."""
    if not any(type(one) is type(value) and one == value for one in allowed):
        yield ValidationError(f"{value!r} is not one of {allowed!r}")


def pattern(validator, expression: str, value: Any, rules: dict) -> Iterator[ValidationError]:
    """Match the whole text: `$` would let a line end pass."""
    if isinstance(value, str) and not re.fullmatch(expression, value):
        yield ValidationError(f"{value!r} does not match {expression!r}")


Validator = validators.extend(
    Draft202012Validator,
    {"enum": enum, "pattern": pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": is_integer, "number": is_number}
    ),
)


def key_of(error: ValidationError) -> str:
    """Return the path of the key that is wrong, such as `grid.seed.1`."""
    keys = map(str, error.absolute_path)
    return ".".join(key if key.isprintable() else repr(key) for key in keys)


def said(error: ValidationError) -> str:
    """Return what is wrong in a line, with the way to write what may be meant."""
    text = error.message if error.validator != "type" else f"{error.message}{hint(error)}"
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} ... {text[-half:]}"


def hint(error: ValidationError) -> str:
    """Return what to write in place of a value of another type, if that is clear."""
    value, wanted = error.instance, error.validator_value
    kinds = {wanted} if isinstance(wanted, str) else set(wanted)
    if not kinds & {"integer", "number"} or isinstance(value, bool):
        return ""
    if isinstance(value, int):
        return f": larger than {LARGEST}"
    if isinstance(value, float) and not isfinite(value):
        return ": not finite"
    if isinstance(value, str):
        return text_hint(value, kinds)
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST
    return f"; write {int(value)}" if is_whole else ""


def text_hint(text: str, kinds: set[str]) -> str:
    """Return the number that a text may mean, as YAML writes it."""
    try:
        value = float(text)
    except ValueError:
        return ""
    if not isfinite(value) or ("number" not in kinds and not value.is_integer()):
        return ""
    number = value if "number" in kinds else int(value)
    return f" but a text; YAML writes the number {yaml.safe_dump(number).split()[0]}"
