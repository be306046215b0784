"""The suite in a folder of its own, and its command there, for tests."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PARTS = ["Snakefile", "config", "envs", "figures", "profiles", "slurm", "svp_core", "workflow"]
TINY = {
    "grid": {"model": ["mlp"], "method": ["bp", "svp"], "seed": [0, 1]},
    "tasks": {"digits/mlp": {"model": {"depth": 2, "width": 16}, "recipe": {"epochs": 2}}},
    "ablations": {"seed": [0]},
    "claims": {"studies": []},
    "cost": {
        "quick": {
            "simulate": {"mlp": [{"depth": [2, 4]}], "cnn": [], "resnet": [], "vit": []},
            "measure": {"mlp": [{"depth": [2], "width": [16], "batch": [16]}]},
            "steps": 2,
        }
    },
}


def copy_suite(folder: Path) -> Path:
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    return folder


def snakemake(folder: Path, *arguments: str, config: dict | None = None, ok: bool = True) -> str:
    """Run the command in a folder and return all it printed."""
    environment = os.environ | {"PATH": f"{other_python(folder)}:{BIN}:{os.environ['PATH']}"}
    command = [str(BIN / "snakemake"), "--cores", "2", *arguments]
    if config:
        (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
        command += ["--configfile", "tiny.yaml"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    printed = done.stdout + done.stderr
    assert (done.returncode == 0) == ok, printed
    return printed


def other_python(folder: Path) -> Path:
    """A folder for the path with a Python that no job may take: it is not that of Snakemake."""
    place = folder / "path"
    place.mkdir(exist_ok=True)
    for name in ("python", "python3"):
        (place / name).write_text("#!/bin/sh\necho another Python >&2\nexit 99\n")
        (place / name).chmod(0o755)
    return place


def default_config() -> dict:
    """The config as the workflow reads it without further files."""
    files = ("config/config.yaml", "config/cost.yaml")
    return {k: v for f in files for k, v in yaml.safe_load((ROOT / f).read_text()).items()}


def change(config: dict, path: str, value) -> dict:
    """A copy of the config with one key, such as `grid.seed`, set."""
    config = json.loads(json.dumps(config))
    *parents, leaf = path.split(".")
    node = config
    for parent in parents:
        node = node.setdefault(parent, {})
    node[leaf] = value
    return config
