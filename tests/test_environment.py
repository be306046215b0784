"""The files that describe the environment agree with each other and with what is installed."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from svp_core import provenance

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = ROOT / "envs/requirements.lock"
OWN_PACKAGES = {"svp_core", "figures", "workflow"}
ENVIRONMENTS = [ROOT / "environment.yml", ROOT / "envs/torch.yaml", ROOT / "envs/figures.yaml"]


def load_pins(lines):
    """Versions by name of requirements that are all of the form name==version."""
    pins = {}
    for requirement in map(Requirement, lines):
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{requirement} is not pinned"
        assert requirement.name not in pins, f"{requirement.name} is pinned twice"
        pins[requirement.name] = specifier.version
    return pins


def load_environment(path):
    """Range of Python versions and the pip requirements of a conda environment."""
    python, pip, requirements = yaml.safe_load(path.read_text())["dependencies"]
    assert pip == "pip"
    return SpecifierSet(python.removeprefix("python ")), requirements["pip"]


LOCKED = load_pins(line for line in LOCK.read_text().splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_environments_take_the_python_of_the_project(path):
    assert load_environment(path)[0] == SpecifierSet(PROJECT["requires-python"])


def test_make_accepts_the_python_of_the_project():
    lowest, highest = re.search(
        r"not \((\d+, \d+)\) <= sys.version_info < \((\d+, \d+)\)", (ROOT / "Makefile").read_text()
    ).groups()
    accepted = f">={lowest},<{highest}".replace(", ", ".")
    assert SpecifierSet(accepted) == SpecifierSet(PROJECT["requires-python"])


def test_environment_installs_the_lock():
    assert load_environment(ROOT / "environment.yml")[1] == ["-r envs/requirements.lock"]


@pytest.mark.parametrize(
    "line", sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"])
)
def test_lock_satisfies_the_project(line):
    requirement = Requirement(line)
    assert requirement.specifier.contains(LOCKED[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("path", ENVIRONMENTS[1:], ids=lambda path: path.name)
def test_rule_environments_repeat_the_lock(path):
    pins = load_pins(load_environment(path)[1])
    assert pins == {name: LOCKED[name] for name in pins}


# what no rule runs in the environment of torch: tables and claims, and a command for users
ELSEWHERE = ("tables/*.py", "claims/*.py", "compare.py")
TABLES = [path for pattern in ELSEWHERE for path in (ROOT / "svp_core").glob(pattern)]
COLLECTING = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{blocked}}:
            raise ImportError(f"{{{{name}}}} is not in the environment")

sys.meta_path.insert(0, Blocked())
sys.path.insert(0, {str(ROOT)!r})
{{imports}}
from svp_core.config.comparison import with_defaults
with_defaults({{record}})
"""


def test_the_environment_of_training_holds_every_import():
    pins = load_pins(load_environment(ROOT / "envs/torch.yaml")[1])
    distributions = metadata.packages_distributions()
    paths = [path for path in (ROOT / "svp_core").rglob("*.py") if path not in TABLES]
    for path in reached(paths):
        for name in imported_modules(path) - sys.stdlib_module_names - OWN_PACKAGES:
            owners = {canonicalize_name(owner) for owner in distributions.get(name, [])}
            assert owners & pins.keys(), f"{path.relative_to(ROOT)} imports {name}"


def with_requirements(names):
    """Distributions, and what they require, directly or not."""
    pending, found = list(names), set()
    while pending:
        if (name := pending.pop()) not in found:
            found.add(name)
            for one in map(Requirement, metadata.requires(name) or []):
                if not one.marker or one.marker.evaluate({"extra": ""}):
                    pending.append(canonicalize_name(one.name))
    return found


def test_the_environment_of_tables_and_figures_holds_every_import():
    there = with_requirements(load_pins(load_environment(ROOT / "envs/figures.yaml")[1]))
    blocked = {
        name
        for name, owners in metadata.packages_distributions().items()
        if name not in OWN_PACKAGES and not there & set(map(canonicalize_name, owners))
    }
    assert {"torch", "datasets", "sklearn"} <= blocked and not {"numpy", "pandas"} & blocked
    paths = [*ROOT.glob("figures/*.py"), *ROOT.glob("workflow/scripts/*.py")]
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    imports = "\n".join(f"import {name}" for name in modules)
    record = {"dataset": "digits", "model": "vit", "method": "sll", "seed": 0}
    code = COLLECTING.format(blocked=blocked, imports=imports, record=record)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def reached(paths):
    """The files, and those of svp_core that they import, directly or not."""
    pending, found = list(paths), set()
    while pending:
        if (path := pending.pop()) not in found:
            found.add(path)
            pending += filter(None, map(provenance.module_file, provenance.imported(path)))
    return found


def imported_modules(path):
    """Top-level names that a source file imports, relative imports left out."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize(
    "path", [LOCK, ROOT / "pyproject.toml", *ENVIRONMENTS], ids=lambda path: path.name
)
def test_no_index_is_named(path):
    assert not re.search(r"://|index-url|find-links|trusted-host| @ ", path.read_text())


def test_torch_is_not_a_broken_release():
    assert LOCKED["torch"] != "2.13.0"


@pytest.mark.parametrize("name", ["torch", "torchvision", "snakemake", "pandas"])
def test_own_environment_holds_the_locked_versions(name):
    if Path(sys.prefix).resolve() != ROOT / ".venv":
        pytest.skip("not run by the .venv of `make test`")
    assert metadata.version(name).partition("+")[0] == LOCKED[name]
