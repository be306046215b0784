"""Settings that every test shares."""

import os
import shutil
import sys
from importlib import import_module
from pathlib import Path

import new_files
import pytest
import torch
from hypothesis import HealthCheck, settings

import svp_core
from svp_core import provenance
from svp_core.config import options

os.environ.setdefault("MPLBACKEND", "agg")
# made bad inputs a door; many of them now and then, a few in every run of the tests
settings.register_profile(
    "doors",
    max_examples=int(os.environ.get("SVP_EXAMPLES", 25)),
    deadline=None,
    derandomize="SVP_EXAMPLES" not in os.environ,  # the same in every run of the suite
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("doors")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tests run beside each other's subprocesses: one thread each is fastest and deterministic."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of svp_core in which options are declared, sources hashed and new files found."""
    copy = tmp_path / "svp_core"
    shutil.copytree(
        Path(svp_core.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__")
    )
    for module in (options, provenance):
        monkeypatch.setattr(module, "PACKAGE", copy)
    parts = ("projections", "readouts", "inferences", "auxiliaries")
    for folder in ("methods", "models", "metrics", *(f"local.{name}" for name in parts)):
        module = import_module(f"svp_core.{folder}")
        place = str(copy.joinpath(*folder.split(".")))
        monkeypatch.setattr(module, "__path__", [*module.__path__, place])
    known = set(sys.modules)
    new_files.forget()
    yield copy
    new_files.forget()
    for name in set(sys.modules) - known:
        if str(copy) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
