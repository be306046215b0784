"""Options beside their code: a class `Options` in the file of the method, model or part.

It is read from there without running the rest of the file, which imports torch: a plan of
thousands of runs must not wait for that. Schema, errors and reference are derived from it.
"""

import ast
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, dataclass_transform

from svp_core.config.pairs import ConfigError
from svp_core.config.values import Validator, key_of, said

PACKAGE = Path(__file__).parents[1]


@dataclass_transform(frozen_default=True, kw_only_default=True)
class OptionSet:
    """Base of every `Options`: subclasses are frozen dataclasses of keywords."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True)(cls)

    def refuse(self, run) -> Iterator[str]:
        """Yield what is impossible beside the other settings of a `Run`, each `key: reason`."""
        yield from ()


def option(default: Any, meaning: str, **rules: Any) -> Any:
    """Declare an option by its default, its meaning and the JSON schema of its values."""
    metadata = {"schema": {"description": meaning} | rules}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: deepcopy(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def choice(*values: str | int, meaning: str, default: str | int | None = None) -> Any:
    """Declare an option that takes one of some values, by default the first."""
    return option(values[0] if default is None else default, meaning, enum=list(values))


def integer(default: int | None, meaning: str, *, at_least: int = 0) -> Any:
    """Declare a whole number; a default of None allows null."""
    kind = ["integer", "null"] if default is None else "integer"
    return option(default, meaning, type=kind, minimum=at_least)


def number(
    default: float,
    meaning: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    or_word: str | None = None,
) -> Any:
    """Declare a number with its bounds, which one word may stand for."""
    bounds = {"minimum": at_least, "maximum": at_most}
    bounds |= {"exclusiveMinimum": above, "exclusiveMaximum": below}
    rules = {key: bound for key, bound in bounds.items() if bound is not None}
    if or_word is None:
        return option(default, meaning, type="number", **rules)
    return option(default, meaning, type=["number", "string"], pattern=f"^{or_word}$", **rules)


def flag(default: bool, meaning: str) -> Any:
    """Declare an option that is true or false."""
    return option(default, meaning, type="boolean")


def part(folder: str, default: str, meaning: str) -> Any:
    """Declare an option that names a file of svp_core/local/`folder`, whose options it brings."""
    declared_part = option(default, meaning, enum=names(f"local/{folder}"))
    return field(default=default, metadata={**declared_part.metadata, "folder": f"local/{folder}"})


def like(options: type[OptionSet], name: str, default: Any = MISSING) -> Any:
    """Declare an option as another class does, perhaps with a default of its own."""
    (known,) = (one for one in fields(options) if one.name == name)
    default = known.default if default is MISSING else default
    return field(default=default, metadata=known.metadata)


def names(folder: str) -> list[str]:
    """Return the names that a folder of svp_core holds: its files."""
    return list(files(folder))


@cache  # it is asked for every option of every run of a grid
def files(folder: str) -> tuple[str, ...]:
    return tuple(sorted(module.name for module in iter_modules([str(PACKAGE / folder)])))


@cache
def declared(folder: str, name: str) -> type[OptionSet]:
    """Return the class `Options` of a file of svp_core/`folder`; a part may have none."""
    file = PACKAGE / folder / f"{name}.py"
    statements = needed(ast.parse(file.read_text()), "Options")
    namespace = {"__name__": f"svp_core.{folder.replace('/', '.')}.{name}"}
    exec(compile(ast.Module(statements, []), file, "exec"), namespace)
    if "Options" not in namespace and not folder.startswith("local/"):
        raise ConfigError(f"svp_core/{folder}/{name}.py has no class Options")
    return namespace.get("Options") or type("Options", (OptionSet,), {})


def needed(module: ast.Module, name: str) -> list[ast.stmt]:
    """Return the statements that bind a name in a module and all that these use, in order."""
    binding = {bound: statement for statement in module.body for bound in bound_names(statement)}
    found, pending = [], [name]
    while pending:
        statement = binding.get(pending.pop())
        if statement is not None and statement not in found:
            found.append(statement)
            pending += used_names(statement)
    return [statement for statement in module.body if statement in found]


def used_names(statement: ast.stmt) -> list[str]:
    """Return the names that a statement reads; an option may be called as a function beside it."""
    names = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
    return [node.id for node in names if isinstance(node.ctx, ast.Load)]


def bound_names(statement: ast.stmt) -> list[str]:
    """Return the names that an import, a definition or an assignment binds."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.split(".")[0] for alias in statement.names]
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        return [statement.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        stored = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
        return [node.id for node in stored if isinstance(node.ctx, ast.Store)]
    return []


def parts(options: type[OptionSet], given: Mapping) -> tuple[tuple[str, str], ...]:
    """Return folder and name of every part that is chosen, by the values given or by default."""
    chosen = (
        (one.metadata.get("folder"), given.get(one.name, one.default)) for one in fields(options)
    )
    return tuple((folder, name) for folder, name in chosen if folder and name in names(folder))


@cache
def complete(options: type[OptionSet], chosen: tuple[tuple[str, str], ...]) -> type[OptionSet]:
    """Return the class with the options and refusals of its parts as well.

    Raises ConfigError where two of them declare an option of the same name.
    """
    bases = (options, *(declared(*one) for one in chosen))
    owners: dict[str, str] = {}
    for base, (folder, name) in zip(bases[1:], chosen, strict=True):
        for one in fields(base):
            if one.name in owners or one.name in {own.name for own in fields(options)}:
                raise ConfigError(f"{folder}/{name}: the option {one.name} is declared twice")
            owners[one.name] = name
    return type("Options", tuple(dict.fromkeys(bases)), {}) if chosen else options


def of(folder: str, name: str, given: Mapping) -> type[OptionSet]:
    """Return the class of all options that a file has with the parts that are chosen."""
    own = declared(folder, name)
    return complete(own, parts(own, given))


def fill(folder: str, name: str, given: Mapping, path: str = "") -> OptionSet:
    """Return the options of a file, defaults filled in.

    Raises ConfigError for an unknown key or a value out of range; `path` precedes the key.
    """
    place = folder, name, repr(given)  # which tells 1 from 1.0 and True
    if place not in filled:
        require_mapping(given, path)
        options = of(folder, name, given)
        refuse_foreign(options, given, path)
        filled[place] = options(**checked(given, schema(options), path))
    return deepcopy(filled[place])


filled: dict[tuple[str, str, str], OptionSet] = {}  # most runs of a grid have the options of others


def refuse_foreign(options: type[OptionSet], given: Mapping, path: str) -> None:
    """Raise ConfigError naming the owners of an option that belongs to parts not chosen."""
    known = {one.name for one in fields(options)}
    for one in fields(options):
        folder = one.metadata.get("folder")
        owners: dict[str, list[str]] = {}
        for other in names(folder) if folder else ():
            brought = {field.name for field in fields(declared(folder, other))}
            for key in brought & given.keys() - known:
                owners.setdefault(key, []).append(other)
        for key, found in sorted(owners.items()):
            chosen, listed = given.get(one.name, one.default), " or ".join(found)
            raise ConfigError(
                f"{path}{key}: an option of the {one.name} {listed}, but {one.name} is {chosen}"
            )


def merged(folder: str, name: str, base: Mapping, changes: Mapping) -> dict:
    """Return `base` with `changes`; the options of a part go with it when another takes over."""
    before, after = (of(folder, name, one) for one in (base, {**base, **changes}))
    gone = {one.name for one in fields(before)} - {one.name for one in fields(after)}
    return {key: value for key, value in base.items() if key not in gone} | dict(changes)


def refusals(options: OptionSet, run) -> Iterator[str]:
    """Yield what an option set and its parts refuse, each once."""
    for one in type(options).__mro__:
        if "refuse" in vars(one):
            yield from one.refuse(options, run)


def schema(options: type[OptionSet]) -> dict:
    """Return the JSON schema of the options, defaults included."""
    bare = [one.name for one in fields(options) if "schema" not in one.metadata]
    if bare:
        raise ConfigError(f"option {bare[0]}: no choice, integer, number, flag or part declares it")
    properties = {
        one.name: one.metadata["schema"] | {"default": default(one)} for one in fields(options)
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def default(one) -> Any:
    """Return the default of a declared option."""
    return one.default if one.default is not MISSING else one.default_factory()


def checked(given: Mapping, rules: Mapping, path: str, **resolution: Any) -> dict:
    """Return the values with defaults filled in; raises ConfigError naming the first bad key.

    `resolution` is what a validator finds schemas by that the rules refer to.
    """
    require_mapping(given, path)
    filled = {
        key: deepcopy(rule["default"])
        for key, rule in rules.get("properties", {}).items()
        if "default" in rule
    }
    filled.update(deepcopy(dict(given)))
    errors = Validator(rules, **resolution).iter_errors(filled)
    error = next(iter(sorted(errors, key=lambda one: one.json_path)), None)
    if error:
        where = path + key_of(error)
        raise ConfigError(f"{where.rstrip('.')}: {said(error)}" if where else said(error))
    return filled


def require_mapping(given: Any, path: str) -> None:
    """Raise ConfigError unless it has keys."""
    if not isinstance(given, Mapping):
        where = f"{path.strip(' .')}: " if path else ""
        raise ConfigError(f"{where}{given!r} is no mapping of keys to values")


def plain(options: OptionSet) -> dict:
    """Return the options as a dict, as configs and records hold them."""
    return asdict(options)
