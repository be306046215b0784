"""Fork for every command line of Python that clients ask for, with the slow imports done.

python -m workflow.warm.server SOCKET PACKAGE ..., until its standard input, a pipe, is closed.
"""

import atexit
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NoReturn


def main(address: str, *packages: str) -> None:
    """Import, then listen; in the end the folder of the socket is deleted."""
    for name in packages:
        with suppress(ImportError):  # a job that needs it says so
            import_module(name)
    gc.collect()
    gc.freeze()  # what collections do not touch stays shared
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{address}.new")
        listener.listen()
        os.rename(f"{address}.new", address)  # who finds it is heard
        serve(listener)
    shutil.rmtree(Path(address).parent)
    os._exit(0)  # what was imported need not be taken down


def serve(listener: socket.socket) -> None:
    """Fork for clients until the parent has gone; what runs then goes on."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets forks that end
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            attend(client)
        client.close()


def attend(client: socket.socket) -> NoReturn:
    """Fork for the job of a client; tell the client its process, and how that ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, files, _, _ = socket.recv_fds(client, 8, 3)
    with client.makefile("rb") as stream:
        request = json.loads(stream.read(int.from_bytes(size, "big")))
    job = os.fork()
    if job == 0:
        client.close()
        perform(files, **request)
    client.sendall(f"{job}\n".encode())
    _, status = os.waitpid(job, 0)
    with suppress(BrokenPipeError):  # the client was killed
        client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def perform(files: list[int], words: list[str], folder: str, environment: dict) -> NoReturn:
    """Be a Python that was started with these words: -m MODULE or FILE, and arguments."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # as TMPDIR now says
    is_module = words[0] == "-m"
    name, *arguments = words[is_module:]
    own = folder if is_module else os.path.dirname(os.path.abspath(name))
    sys.argv = [name, *arguments]
    sys.path[:0] = [own]
    try:
        if is_module:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(name, run_name="__main__")
        code = 0
    except BaseException as error:
        code = exit_code(error)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def exit_code(error: BaseException) -> int:
    """Return the exit code of a Python that ends by an error, and say what it would say."""
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
        return 1
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    print(error.code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    main(*sys.argv[1:])
