"""Where numbers come from: the sources of a run, their hash, and the state of the repository."""

import ast
import hashlib
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from svp_core.config import options

PACKAGE = Path(__file__).parent
# decide no number: a run is told by its resolved config, and a record is as it was written
CHECKS = ("config", "records")


def run_sources(config: Mapping) -> list[Path]:
    """Return the files that decide the numbers of a resolved run.

    The files of another model, readout or metric are not among them, nor those that check configs.
    """
    metrics = (f"metrics.{name}" for name in ("accuracy", *config["metrics"]))
    data = dataset_module(config["dataset"])
    return sources("training.run", data, *built_from(config), *metrics) + outside(config)


def outside(config: Mapping) -> list[Path]:
    """Return the files outside the package: facts of a set, module of a network, of one's own.

    What that module imports is not followed.
    """
    own = import_module(f"{PACKAGE.name}.data.own")  # no source of the runs of other sets
    found = [own.facts_file(config["dataset"])] if config["dataset"] in own.names() else []
    module = config["model_options"].get("factory", "").partition(":")[0]
    spec = find_spec(module) if module else None
    return found + ([Path(spec.origin)] if spec and spec.has_location else [])


def dataset_module(name: str) -> str:
    """Return the module that reads a dataset: its file, or what reads those of one's own."""
    is_file = module_file(f"{PACKAGE.name}.datasets.{name}")
    return f"datasets.{name}" if is_file else "data.own"


def built_from(config: Mapping) -> Iterator[str]:
    """Yield the modules that a model and a method are built from: their files and their parts."""
    for folder, axis in (("models", "model"), ("methods", "method")):
        name = config[axis]
        yield f"{folder}.{name}"
        for where, part in options.parts(options.declared(folder, name), config[f"{axis}_options"]):
            yield f"{where.replace('/', '.')}.{part}"


def sources(*modules: str) -> list[Path]:
    """Return the files of some modules of svp_core and of all that they import from it."""
    names = PACKAGE / "__init__.py"  # of the public interface, and nothing else
    pending, found = [f"{PACKAGE.name}.{module}" for module in modules], set()
    while pending:
        file = module_file(pending.pop())
        if file and file not in (*found, names) and not is_check(file):
            found.add(file)
            pending += imported(file)
    return sorted(found)


def is_check(file: Path) -> bool:
    """Whether a file only checks configs and records."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0] in CHECKS


@cache  # a grid asks for the same files run after run
def imported(file: Path) -> list[str]:
    """Names of svp_core modules that a file imports, packages included; absolute imports only."""
    names = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise ImportError(f"{file}: import svp_core by its name, not relatively")
        if isinstance(node, ast.ImportFrom):
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif is_extension(node):  # of another file's options, with their methods
            folder, name = (argument.value for argument in node.args)
            names.append(".".join([PACKAGE.name, *folder.split("/"), name]))
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return [name for name in names if name.split(".")[0] == PACKAGE.name]


def is_extension(node: ast.AST) -> bool:
    """Whether a node is `declared("methods", "svp")`, with names that are written there."""
    is_call = isinstance(node, ast.Call) and getattr(node.func, "id", None) == "declared"
    return is_call and all(isinstance(argument, ast.Constant) for argument in node.args)


def module_file(name: str) -> Path | None:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    candidates = [path / "__init__.py", path.with_suffix(".py")]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def source_hash(files: list[Path]) -> str:
    """Return the first 12 digits of a SHA-256 over names and code of files."""
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(PACKAGE) if PACKAGE in file.parents else file.name
        text = code(file) if file.suffix == ".py" else file.read_text()
        digest.update(f"{name}\0{text}\0".encode())
    return digest.hexdigest()[:12]


@cache
def code(file: Path) -> str:
    """Return what a file computes, without what explains or declares it.

    That is comments, docstrings, and options with their refusals: their values are in a config.
    """
    tree = ast.parse(file.read_text())
    helpers = {
        name for node in tree.body if is_of_checks(node) for name in options.bound_names(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
            node.body = [one for one in node.body if not is_of_checks(one)]
        if isinstance(node, ast.ClassDef):
            node.body = [one for one in node.body if not is_declaration(one, helpers)]
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            node.body = node.body or [ast.Pass()]
    return repr(outline(tree))


def outline(node: object) -> object:
    """Return what a part of a program says, the same in every Python: without what is empty.

    `ast.unparse` and `ast.dump` write the same program in other ways from version to version.
    """
    if isinstance(node, list):
        return [outline(one) for one in node]
    if not isinstance(node, ast.AST):
        return node
    if isinstance(node, ast.JoinedStr):  # some Pythons end a format with an empty text
        node.values = [one for one in node.values if getattr(one, "value", None) != ""]
    fields = [(name, outline(value)) for name, value in ast.iter_fields(node)]
    return type(node).__name__, [one for one in fields if one[1] not in (None, [])]


def is_of_checks(statement: ast.stmt) -> bool:
    """Whether a statement imports from what declares and checks options, or checks records."""
    names = tuple(f"{PACKAGE.name}.{name}." for name in CHECKS)
    return isinstance(statement, ast.ImportFrom) and f"{statement.module}.".startswith(names)


def is_declaration(statement: ast.stmt, helpers: set[str]) -> bool:
    """Whether a statement of a class declares an option, by a helper, or refuses settings."""
    if isinstance(statement, ast.FunctionDef):
        return statement.name == "refuse"
    value = statement.value if isinstance(statement, ast.AnnAssign) else None
    return isinstance(value, ast.Call) and getattr(value.func, "id", None) in helpers


def repository() -> dict:
    """Return commit and dirty flag of the sources, None each outside a repository that has them."""
    if (
        git("ls-files", "--error-unmatch", str(PACKAGE / "__init__.py")) is None
    ):  # installed below another one
        return {"git_commit": None, "git_dirty": None}
    commit = git("rev-parse", "HEAD")
    changes = git("status", "--porcelain", "--", str(PACKAGE))  # a new model file, too
    return {"git_commit": commit, "git_dirty": None if changes is None else bool(changes)}


def git(*arguments: str) -> str | None:
    # no lock of the index, which a killed training would leave behind
    command = ["git", "--no-optional-locks", "-C", str(PACKAGE), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
