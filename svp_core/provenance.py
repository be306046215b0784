"""Where numbers come from: the sources of a run, their hash, and the state of the repository."""

import ast
import hashlib
import subprocess
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def run_sources(dataset: str, model: str, method: str) -> list[Path]:
    """Return the files that decide the numbers of such a run.

    The files of another model are not among them, nor those that only check configs.
    """
    return sources("training", f"datasets.{dataset}", f"models.{model}", f"methods.{method}")


def sources(*modules: str) -> list[Path]:
    """Return the files of some modules of svp_core and of all that they import from it."""
    pending, found = [f"{PACKAGE.name}.{module}" for module in modules], set()
    while pending:
        file = module_file(pending.pop())
        if file and file not in found:
            found.add(file)
            pending += imported(file)
    return sorted(found)


@cache  # a grid asks for the same files run after run
def imported(file: Path) -> list[str]:
    """Names of svp_core modules that a file imports, packages included; absolute imports only."""
    names = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise ImportError(f"{file}: import svp_core by its name, not relatively")
        if isinstance(node, ast.ImportFrom):
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name.split(".")[0] == PACKAGE.name]


def module_file(name: str) -> Path | None:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    candidates = [path / "__init__.py", path.with_suffix(".py")]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def source_hash(files: list[Path]) -> str:
    """Return the first 12 digits of a SHA-256 over names and contents."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(PACKAGE)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def repository() -> dict:
    """Return commit and dirty flag of the sources, None each outside a repository."""
    commit = git("rev-parse", "HEAD")
    changes = git("status", "--porcelain", "--", str(PACKAGE))  # a new model file, too
    return {"git_commit": commit, "git_dirty": None if changes is None else bool(changes)}


def git(*arguments: str) -> str | None:
    command = ["git", "-C", str(PACKAGE), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
