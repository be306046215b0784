"""The workflow in a folder of its own, and what a test wants to know of it while it runs."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd
import yaml
from slurm_cluster import kill
from suite_copy import BIN

TABLES = ["runs", "curves", "metrics", "summary", "cost"]
DIFFERING = ["train_seconds", "analysis_seconds", "seconds", "node", "job", "device"]
USER_COMMAND = ["snakemake", "--cores", "all", "--profile", "slurm"]
# asked for at the end of the command: short jobs, short waits
QUICK = ["--slurm-init-seconds-before-status-checks", "1"]

SMALL = {
    "grid": {"model": ["mlp"], "method": ["bp", "svp"], "seed": [0, 1]},
    "tasks": {"digits/mlp": {"model": {"depth": 2, "width": 16}, "recipe": {"epochs": 2}}},
    "variants": [{"name": "diverging", "method": "bp", "recipe": {"lr": 1e30, "optimizer": "sgd"}}],
    # what is simulated; times are no table that two machines share
    "cost": {
        "series": [{"method": "bp"}, {"method": "svp"}],
        "quick": {
            "simulate": {"mlp": [{"depth": [2, 4]}], "cnn": [], "resnet": [], "vit": []},
            "measure": {"mlp": []},
        },
    },
    "target_accuracy": {"digits": []},
    "claims": {"studies": []},  # their ablations are another grid of trainings
}
# long enough to be disturbed: ten seconds and more
EPOCHS = 200
SLOW = SMALL | {
    "tasks": {
        "digits/mlp": {
            "model": {"depth": 4, "width": 128},
            "recipe": {"epochs": EPOCHS, "batch_size": 16},
        }
    },
}
LONG_RUNS = [f"digits/mlp/{method}/default/{seed}" for method in ("bp", "svp") for seed in (0, 1)]


def command_line(process: int) -> str:
    """Return the words of a command, nothing for a process that has ended."""
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_text(errors="replace").replace("\0", " ")
    return ""


class Workflow:
    """One config in one working directory."""

    def __init__(self, folder: Path, environment: Mapping[str, str], config: dict):
        self.folder = folder
        self.environment = environment | {"PATH": f"{BIN}:{environment['PATH']}"}
        self.started: list[subprocess.Popen] = []
        (folder / "grid.yaml").write_text(yaml.safe_dump(config))

    def start(self, *command: str) -> subprocess.Popen:
        """Start a command of the user; what it prints is added to printed.txt."""
        with open(self.folder / "printed.txt", "ab") as printed:
            process = subprocess.Popen(
                [*command, "--configfile", "grid.yaml"],
                cwd=self.folder,
                env=self.environment,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen, seconds: float = 900) -> int:
        """Return the exit code of a started command, whose jobs are cancelled if it hangs."""
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait(60)
            raise

    def stop(self) -> None:
        """Kill what a failed test has left running, and what a job that lost its parents has."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for process in map(int, filter(str.isdigit, os.listdir("/proc"))):
            if str(self.folder) in command_line(process):
                kill(process)

    def run(self, *command: str) -> int:
        return self.finish(self.start(*command))

    def printed(self) -> str:
        return (self.folder / "printed.txt").read_text()

    def log(self, run: str) -> str:
        """Return the log of a training; that of a repeated one begins anew."""
        path = self.folder / f"logs/runs/{run}.log"
        return path.read_text() if path.exists() else ""

    def is_training(self, run: str) -> bool:
        """Whether a training is under way and far from its end."""
        epochs = re.findall(r"^epoch (\d+)/", self.log(run), re.M)
        return bool(epochs) and int(epochs[-1]) < EPOCHS // 2

    def record(self, run: str) -> Path:
        return self.folder / f"results/runs/{run}.json"

    def origin(self, run: str) -> dict:
        """Return where and when a record was made."""
        return json.loads(self.record(run).read_text())["provenance"]

    def submitted(self) -> list[str]:
        """Return the numbers of all jobs of Slurm."""
        return re.findall(r"SLURM jobid (\d+)", self.printed())

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return all tables without the columns that may differ."""
        paths = {name: self.folder / f"results/tables/{name}.csv" for name in TABLES}
        tables = {name: pd.read_csv(path, dtype=str) for name, path in paths.items()}
        return {name: t.drop(columns=DIFFERING, errors="ignore") for name, t in tables.items()}

    def assert_tables_equal(self, other: "Workflow") -> None:
        expected = other.tables()
        for name, table in self.tables().items():
            pd.testing.assert_frame_equal(table, expected[name], obj=name)
