"""A job in a fork of the warm server is, from outside, the job itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workflow import warm

ROOT = Path(__file__).parents[1]
ONE = {"OMP_NUM_THREADS": "1"}
SECONDS = 300  # that a test waits for a process, on a busy machine
SCRIPT = """\
import os, signal, sys, time
with open(f"/proc/{os.getppid()}/cmdline") as parent:
    is_forked = "warm.server" in parent.read()
print(is_forked, sys.argv[1:], os.getcwd(), os.environ.get("GIVEN"), file=sys.stderr)
print(sys.stdin.read(), "json" in sys.modules, __name__)
if "fail" in sys.argv:
    raise SystemExit(3)
if "crash" in sys.argv:
    os.kill(os.getpid(), signal.SIGSEGV)
if "wait" in sys.argv:
    signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75))
    print("ready", flush=True)
    time.sleep(600)
"""


def wait_for(is_there, seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not is_there():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def python():
    """The client of a server that has imported next to nothing."""
    client = Path(warm.start(["json", "no_such_package"]))
    wait_for(client.with_name("socket").exists)
    yield client
    server = warm.servers.pop()
    server.stdin.close()
    assert server.wait(SECONDS) == 0 and not client.parent.exists()


def call(python: Path, folder: Path, *words: str, **environment) -> subprocess.CompletedProcess:
    (folder / "job.py").write_text(SCRIPT)
    return subprocess.run(
        [python, *words],
        cwd=folder,
        env=os.environ | ONE | environment,
        input="from outside",
        capture_output=True,
        text=True,
    )


def test_a_script_has_its_words_folder_environment_and_files(python, tmp_path):
    done = call(python, tmp_path, "job.py", "a b", "", GIVEN="x")
    assert done.returncode == 0 and done.stdout == "from outside True __main__\n"
    assert done.stderr == f"True ['a b', ''] {tmp_path} x\n"


def test_a_module_is_found_in_the_folder_of_the_job(python, tmp_path):
    done = call(python, tmp_path, "-m", "job", "fail")
    assert done.returncode == 3 and done.stdout == "from outside True __main__\n"


def test_a_job_that_fails_or_crashes_ends_its_client_likewise(python, tmp_path):
    assert call(python, tmp_path, "job.py", "crash").returncode == -signal.SIGSEGV
    failed = call(python, tmp_path, "missing.py")
    assert failed.returncode == 1 and "missing.py" in failed.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGUSR1, 75), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_signals_reach_the_job(python, tmp_path, number, code):
    (tmp_path / "job.py").write_text(SCRIPT)
    with subprocess.Popen(
        [python, "job.py", "wait"],
        cwd=tmp_path,
        env=os.environ | ONE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert [process.stdout.readline() for _ in range(2)][1] == "ready\n"
        process.send_signal(number)
        assert process.wait(SECONDS) == code


@pytest.mark.parametrize("environment", [{"OMP_NUM_THREADS": "2"}, {}])
def test_without_a_server_or_with_more_threads_a_job_has_a_python_of_its_own(
    python, tmp_path, environment
):
    client = Path(tmp_path / "client")
    other = str(python.parent) if environment else str(tmp_path)
    client.write_text(python.read_text().replace(str(python.parent), other))
    client.chmod(0o755)
    done = call(client, tmp_path, "job.py", "fail", **environment)
    assert done.returncode == 3 and done.stdout.startswith("from outside False")


def test_jobs_run_the_sources_of_the_suite_as_they_are(python):
    """None of them is among what the server imports."""
    assert not [name for name in warm.SLOW if (ROOT / name.partition(".")[0]).exists()]
    assert sys.executable in python.read_text()
