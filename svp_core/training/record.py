"""The record of a run: one JSON file with its config, curves, results and origin."""

import json
import os
import platform
from math import isfinite
from pathlib import Path

import numpy
import torch

from svp_core.runtime.device import device_name
from svp_core.runtime.files import write_atomically


def write(path: Path, record: dict) -> None:
    """Write the record as JSON, whole or not at all; numbers that are not finite become null."""
    text = json.dumps(finite(record), indent=1, allow_nan=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def finite(value):
    """Return a copy in which no number is infinite or not a number."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def environment(device: torch.device, ranks: int = 1) -> dict:
    """Return what the numbers, and times, may depend on beside sources and config."""
    several = {"ranks": ranks} if ranks > 1 else {}
    return several | {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "torch": str(torch.__version__),  # its own class is no plain text
        "numpy": numpy.__version__,
    }


def place() -> dict:
    """Return where this process runs: its node and, on a cluster, its Slurm job."""
    return {"node": platform.node(), "job": os.environ.get("SLURM_JOB_ID")}
