"""The package as others install it: what a wheel holds, and what importing it brings."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import svp_core

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from a copy of the sources, which a build would leave files in."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("svp_core", "figures", "pyproject.toml", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "--quiet"]
    subprocess.run([*command, "--no-build-isolation", "--wheel-dir", str(folder)], check=True)
    return next(folder.glob("*.whl"))


def test_a_wheel_holds_all_files_of_the_package(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    files = {path for path in (ROOT / "svp_core").rglob("*") if path.suffix in (".py", ".yaml")}
    assert {path.relative_to(ROOT).as_posix() for path in files} <= held
    assert "svp_core/py.typed" in held
    assert wheel.name.startswith(f"svp_suite-{svp_core.__version__}-")


def test_it_works_outside_the_checkout(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    run = ["dataset=digits", "model=mlp", "method=svp", "seed=0", "recipe.epochs=1"]
    command = [sys.executable, "-m", "svp_core.train", *run, "--output", "record.json"]
    where = {"env": environment, "cwd": tmp_path, "capture_output": True, "text": True}
    done = subprocess.run([*command, "--threads", "1", "--device", "cpu"], **where)
    assert done.returncode == 0, done.stderr
    asked = "import svp_core.provenance as p; print(p.__file__, p.repository())"
    printed = subprocess.run([sys.executable, "-c", asked], **where).stdout
    assert str(tmp_path) in printed and "'git_commit': None" in printed


def test_importing_it_or_its_config_needs_no_torch():
    code = "import sys, svp_core, svp_core.config; print('torch' in sys.modules, dir(svp_core))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("False"), done.stderr


def test_public_names_are_there():
    assert all(getattr(svp_core, name) for name in svp_core.__all__)
    with pytest.raises(AttributeError, match="no attribute 'trainer'"):
        _ = svp_core.trainer
