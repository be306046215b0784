"""slurm/bin and slurm/profile.yaml, with stand-ins for the programs of Slurm."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from suite_copy import ROOT, TINY, change, copy_suite, snakemake

SHIMS = ROOT / "slurm/bin"
QUERY = ["-X", "--parsable2", "--noheader", "--format=JobIdRaw,State", "--name", "svp_1"]


def stand_ins(folder: Path, **programs: str) -> Path:
    """Write scripts in place of Slurm's programs; return their folder, which has a usual name."""
    bin_folder = folder / "opt/slurm/bin"
    bin_folder.mkdir(parents=True, exist_ok=True)
    for name, script in programs.items():
        (bin_folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (bin_folder / name).chmod(0o755)
    return bin_folder


def call(folder: Path, *command: str, **programs: str) -> subprocess.CompletedProcess:
    environment = {"PATH": f"{SHIMS}:{stand_ins(folder, **programs)}:/usr/bin:/bin"}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def ask(folder: Path, *query: str, sacct: str) -> subprocess.CompletedProcess:
    return call(folder, "sacct", *query, sacct=sacct, squeue='echo "squeue $*"')


def test_accounting_answers_in_the_words_that_snakemake_knows(tmp_path):
    done = ask(tmp_path, *QUERY, sacct='echo "7|CANCELLED by 0"; echo "8|COMPLETED"')
    assert done.returncode == 0 and done.stdout == "7|CANCELLED\n8|COMPLETED\n"


def test_squeue_answers_where_there_is_no_accounting(tmp_path):
    done = ask(tmp_path, *QUERY, sacct="exit 1")
    assert done.stdout == "squeue --noheader --states=all --format=%i|%T --name svp_1\n"


@pytest.mark.parametrize("query", [["-nu", "me"], ["-j", "7", "--format=Reason"]])
def test_other_questions_fail_as_they_would(tmp_path, query):
    assert ask(tmp_path, *query, sacct="exit 1").returncode == 1


AWAY = """
echo try >> {folder}/tries.txt
[ $(wc -l < {folder}/tries.txt) -gt {failures} ] && echo 7 && exit
echo "{name}: error: Batch job submission failed: {message}" >&2
exit 3
"""
UNREACHABLE = "Unable to contact slurm controller (connect failure)"
UNCERTAIN = "Unable to contact slurm controller (receive failure)"


def submit(folder: Path, name: str, failures: int, message: str):
    script = AWAY.format(folder=folder, name=name, failures=failures, message=message)
    return call(folder, name, "--parsable", **{name: script, "sleep": "exit 0"})


@pytest.mark.parametrize("name", ["sbatch", "sinfo"])
def test_a_controller_that_is_away_is_waited_for(tmp_path, name):
    done = submit(tmp_path, name, 3, UNREACHABLE)
    assert done.returncode == 0 and done.stdout == "7\n" and not done.stderr
    assert (tmp_path / "tries.txt").read_text().count("try") == 4


@pytest.mark.parametrize("message", [UNCERTAIN, "Invalid account"])
def test_nothing_is_submitted_twice_that_may_have_been_heard(tmp_path, message):
    done = submit(tmp_path, "sbatch", 1, message)
    assert done.returncode == 3 and message in done.stderr
    assert (tmp_path / "tries.txt").read_text().count("try") == 1


def test_a_controller_that_stays_away_is_waited_for_half_an_hour(tmp_path):
    clock = f"echo $((1000 * $(wc -l < {tmp_path}/tries.txt || echo 0)))"
    script = AWAY.format(folder=tmp_path, name="sbatch", failures=99, message=UNREACHABLE)
    (tmp_path / "tries.txt").touch()
    done = call(tmp_path, "sbatch", sbatch=script, sleep="exit 0", date=clock)
    assert done.returncode == 3 and UNREACHABLE in done.stderr
    assert (tmp_path / "tries.txt").read_text().count("try") == 2


def test_a_preempted_job_has_ended(tmp_path):
    done = call(tmp_path, "squeue", squeue='echo "7|PREEMPTED"; echo "8|RUNNING"')
    assert done.returncode == 0 and done.stdout == "7|CANCELLED\n8|RUNNING\n"
    assert call(tmp_path, "squeue", squeue="exit 1").returncode == 1


def resume(folder: Path, squeue: str, *options: str) -> str:
    """Return the calls of other programs, in a folder where a Snakemake was killed."""
    logs = folder / ".snakemake/log"
    logs.mkdir(parents=True)
    (logs / "1.log").write_text("SLURM run ID: svp_1\n")
    note = f'echo "$(basename "$0") $*" >> {folder}/calls.txt'
    programs = stand_ins(folder, squeue=f"{note}; {squeue}", scancel=note, snakemake=note)
    command = [sys.executable, SHIMS.parent / "resume", *options]
    environment = {"PATH": f"{programs}:/usr/bin:/bin"}
    subprocess.run(command, env=environment, cwd=folder, check=True)
    calls = (folder / "calls.txt").read_text().splitlines()
    return [one for one in calls if not one.startswith("squeue")]


SNAKEMAKE = "snakemake --cores all --profile slurm"


def test_what_a_killed_snakemake_left_is_cancelled(tmp_path):
    calls = resume(tmp_path, f"[ -e {tmp_path}/once ] || echo 7; touch {tmp_path}/once", "--keep")
    ends = ["--unlock --directory . --keep", "--directory . --keep"]
    assert calls == ["scancel 7", *(f"{SNAKEMAKE} {end}" for end in ends)]


@pytest.mark.parametrize("option", ["-n", "--dry-run", "--dryrun", "--dry-r", "-pn"])
def test_a_dry_run_cancels_nothing(tmp_path, capfd, option):
    (call,) = resume(tmp_path, "echo 7", option)
    assert call.startswith(f"{SNAKEMAKE} --dry-run --directory .")
    assert "would cancel Slurm jobs 7" in capfd.readouterr().err


def test_a_slurm_that_does_not_answer_is_asked_again(tmp_path):
    """Jobs may train meanwhile."""
    squeue = (
        f"[ $(wc -l < {tmp_path}/calls.txt) -ne 2 ] || exit 1; [ -e {tmp_path}/done ] || echo 7"
    )
    squeue += f"; [ $(wc -l < {tmp_path}/calls.txt) -eq 1 ] || touch {tmp_path}/done"
    calls = resume(tmp_path, squeue, "--wait")
    assert len(calls) == 2 and all(call.startswith(SNAKEMAKE) for call in calls)
    assert (tmp_path / "calls.txt").read_text().count("squeue") == 4


def submissions(suite: Path, monkeypatch) -> dict[str, str]:
    """Return by rule the calls of sbatch for a tiny grid, all of which fail."""
    calls = suite / "calls.txt"
    refuse = f'printf "%s\\n" "$*" >> {calls}; exit 1'
    programs = dict.fromkeys(["sacct", "sacctmgr", "scontrol", "sshare"], "exit 1")
    programs |= {"sbatch": refuse, "squeue": "exit 0", "sinfo": "echo PARTITION; echo main*"}
    monkeypatch.setenv("PATH", str(stand_ins(suite, **programs)), prepend=":")
    options = ["--profile", "slurm", "--retries", "0", "--group-components", "runs=1"]
    options += ["--slurm-init-seconds-before-status-checks", "1"]
    snakemake(suite, *options, config=change(TINY, "grid.method", ["bp"]), ok=False)
    found = re.findall(r"^.*--allowed-rules (\w+) .*$", calls.read_text(), re.M)
    return dict(zip(found, calls.read_text().splitlines(), strict=True))


def test_a_training_asks_for_a_gpu_and_for_time_to_save(tmp_path, monkeypatch):
    calls = submissions(copy_suite(tmp_path), monkeypatch)
    assert calls.keys() == {"train", "simulate", "measure"}
    assert "--gpus=1 " in calls["train"] and "--gpus=1 " in calls["measure"]
    assert "--signal=TERM@120 " in calls["train"] and "-t 120 " in calls["train"]
    assert all("-p main " in call for call in calls.values())


def test_the_profile_may_be_changed_as_it_says(tmp_path, monkeypatch):
    profile = copy_suite(tmp_path) / "slurm/profile.yaml"
    gres = '    gpu: None\n    gres: "gpu:1g.10gb:1"'
    text, changes = re.subn(r"^    gpu: 1$", gres, profile.read_text(), flags=re.M)
    partition = """  slurm_partition: "'all'\""""
    profile.write_text(text.replace("  # slurm_partition: your-partition", partition))
    calls = submissions(tmp_path, monkeypatch)
    assert changes == 2 and all("-p all " in call for call in calls.values())
    for rule in ("train", "measure"):
        assert "--gres=gpu:1g.10gb:1" in calls[rule] and "--gpus" not in calls[rule]
    assert "--signal=TERM@120 " in calls["train"]
