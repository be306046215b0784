"""slurm/bin/sacct, with stand-ins for the programs of Slurm."""

import subprocess
from pathlib import Path

import pytest

SACCT = Path(__file__).parents[1] / "slurm/bin/sacct"
QUERY = ["-X", "--parsable2", "--noheader", "--format=JobIdRaw,State", "--name", "svp_1"]


def ask(folder: Path, *query: str, sacct: str) -> subprocess.CompletedProcess:
    programs = {"sacct": sacct, "squeue": 'echo "squeue $*"'}
    for name, script in programs.items():
        # the real programs may be in a folder of this name, too
        path = folder / "opt/slurm/bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    environment = {"PATH": f"{SACCT.parent}:{folder}/opt/slurm/bin:/usr/bin:/bin"}
    return subprocess.run(["sacct", *query], env=environment, capture_output=True, text=True)


def test_accounting_answers_in_the_words_that_snakemake_knows(tmp_path):
    done = ask(tmp_path, *QUERY, sacct='echo "7|CANCELLED by 0"; echo "8|COMPLETED"')
    assert done.returncode == 0 and done.stdout == "7|CANCELLED\n8|COMPLETED\n"


def test_squeue_answers_where_there_is_no_accounting(tmp_path):
    done = ask(tmp_path, *QUERY, sacct="exit 1")
    assert done.stdout == "squeue --noheader --states=all --format=%i|%T --name svp_1\n"


@pytest.mark.parametrize("query", [["-nu", "me"], ["-j", "7", "--format=Reason"]])
def test_other_questions_fail_as_they_would(tmp_path, query):
    assert ask(tmp_path, *query, sacct="exit 1").returncode == 1
