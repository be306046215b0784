"""Files that a user adds to svp_core, in a copy of it, for tests."""

from importlib import invalidate_caches
from pathlib import Path

from svp_core import provenance
from svp_core.config import options


def forget() -> None:
    """Forget what was read from files that a test has changed."""
    for cached in (options.declared, options.complete, provenance.imported, provenance.code):
        cached.cache_clear()
    options.files.cache_clear()
    options.filled.clear()


def write(package: Path, path: str, text: str) -> Path:
    """Write a file of the copy and return it."""
    file = package / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    forget()
    invalidate_caches()
    return file


def edit(package: Path, path: str, before: str, after: str) -> Path:
    """Replace a text that stands once in a file of the copy."""
    text = (package / path).read_text()
    assert text.count(before) == 1, f"{path}: {before!r}"
    return write(package, path, text.replace(before, after))
