"""Jobs of one machine without the seconds that Python takes to import torch, pandas and the like.

A server imports what they need once, and forks for every job. A client, the PYTHON of jobs, asks
it to, and is to Snakemake, and to whoever sends signals, the job itself. Jobs run the suite's own
code as it is when they start: only packages of others are imported before.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from shlex import quote

SUITE = Path(__file__).parents[2]
SLOW = [  # packages of others that trainings, tables and figures need
    "torch", "torch._inductor", "torch._subclasses.fake_tensor", "torch.utils.flop_counter",
    "sklearn.datasets", "sklearn.linear_model", "sklearn.model_selection", "scipy.stats",
    "jsonschema", "pandas", "pyarrow.parquet", "matplotlib.pyplot", "seaborn",
]  # fmt: skip
LIBRARIES = ("OMP", "GOTO", "OPENBLAS", "MKL", "VECLIB", "NUMEXPR")
THREADS = [f"{name}_NUM_THREADS" for name in LIBRARIES]  # as Snakemake tells its jobs
servers = []  # whose input ends with this process


def start(packages: Iterable[str] = SLOW) -> str:
    """Start a server that lives as long as this process; return the path of its client."""
    folder = Path(tempfile.mkdtemp(prefix="svp-"))  # short, as the path of a socket has to be
    address, client = folder / "socket", folder / "python"
    words = [sys.executable, "-IS", str(Path(__file__).with_name("client.py")), str(address)]
    client.write_text(f'#!/bin/sh\nexec {" ".join(map(quote, words))} "$@"\n')
    client.chmod(0o755)
    server = subprocess.Popen(
        # not with the working directory on its path, whose files must not stand in for packages
        [sys.executable, "-P", "-m", "workflow.warm.server", str(address), *packages],
        cwd=SUITE / "figures",  # whose matplotlibrc comes before all others
        env=os.environ | dict.fromkeys(THREADS, "1") | {"PYTHONPATH": str(SUITE)},
        stdin=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C reaches the jobs by their clients, once
    )
    servers.append(server)
    return str(client)
