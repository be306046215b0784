"""What the scripts of tables and figures import, which they depend on, and say of themselves."""

import ast
from functools import cache
from pathlib import Path

from svp_core.config.pairs import ConfigError

SUITE = Path(__file__).parents[1]


@cache
def libraries(script: str) -> list[str]:
    """Return what a script of the suite imports, directly or not, and data beside packages."""
    pending, found = [SUITE / script], set()
    while pending:
        for name in imported(pending.pop()):
            for file in files(SUITE.joinpath(*name.split("."))):
                if file not in found:
                    found.add(file)
                    pending += [file] if file.suffix == ".py" else []
    return sorted(str(file.relative_to(SUITE)) for file in found)


@cache  # many scripts have the same libraries
def imported(file: Path) -> list[str]:
    """Return the names that a file imports, and the packages that hold them."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            found += [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return found


@cache
def files(path: Path) -> list[Path]:
    """Return the files of a module, or of a package: its code and its data."""
    package = path / "__init__.py"
    found = [package, *path.glob("*.yaml")] if package.is_file() else [path.with_suffix(".py")]
    return [file for file in found if file.is_file()]


def docstring(script: str) -> str:
    """Return what a script says of itself; raises ConfigError if that is nothing."""
    found = ast.get_docstring(ast.parse((SUITE / script).read_text()))
    if not found:
        raise ConfigError(f"{script} has no docstring, which is the caption of its figure")
    return found
