"""Have a job done by the server, or do it in a Python of its own where there is none yet.

python -IS client.py SOCKET -m svp_core.train ..., so that it starts in an instant.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress

SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGQUIT}


def main(address: str, *words: str) -> int:
    """Return the exit code of the job."""
    is_of_one_thread = os.environ.get("OMP_NUM_THREADS") == "1"  # as the server was started
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(address if is_of_one_thread else "")
        except OSError:
            os.execv(sys.executable, [sys.executable, *words])
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        ask(server, {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)})
        answers = server.makefile()
        job = int(answers.readline())
        pass_on_signals(job)
        return ended(answers.readline())


def ask(server: socket.socket, request: dict) -> None:
    """Send what to do, and the files of input, output and errors."""
    message = json.dumps(request).encode()
    socket.send_fds(server, [len(message).to_bytes(8, "big")], [0, 1, 2])
    server.sendall(message)


def pass_on_signals(job: int) -> None:
    """Send the job what this process is sent from now on, and was while it asked."""

    def send(number: int, frame: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(job, number)

    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, send)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def ended(answer: str) -> int:
    """Return the exit code that was answered; of a job that a signal has ended, die by it, too."""
    code = int(answer or -signal.SIGKILL)  # no answer: whoever would give it was killed
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
