"""A real Slurm on this machine, for tests: loopback only, no root needed, no cgroups.

Everything lies in one folder; daemons run in the foreground of sessions of their own and are ended
by their process ids.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr")
# not the caller's: the clients of another cluster may be in it
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
CPUS, GPUS = 2, 2
DEVICES = ("/dev/null", "/dev/zero")  # Slurm wants character devices; nobody opens them
HOST = socket.gethostname().split(".")[0]

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
ReturnToService=2
KillWait=10
MinJobAge=3600
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus} RealMemory=64000 Gres=gpu:{gpus}
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=urgent Nodes={host} PriorityTier=10 MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Say why there can be no cluster here, None if there can."""
    programs = [name for name in (*DAEMONS, *CLIENTS) if not program(name)]
    if programs:
        return f"Slurm is not installed ({', '.join(programs)})"
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError:
        address = ""
    if not address.startswith("127."):
        return "the host name is not in the 127.0.0.1 line of /etc/hosts"
    return None


def program(name: str) -> str | None:
    return shutil.which(name, path=SYSTEM_PATH)


class Cluster:
    """One node with two CPUs and two GPUs that do not exist."""

    def __init__(self, folder: Path):
        self.folder = folder  # of a short name: the path of a socket has at most 107 bytes
        self.configuration = folder / "slurm.conf"
        self.daemons: dict[str, subprocess.Popen] = {}

    def start(self) -> None:
        """Return once the node is idle; raises RuntimeError."""
        self.configure()
        self.start_daemon("munged", "--foreground", "--force", *self.munge_files())
        wait_until(lambda: (self.folder / "munge.socket").exists(), "munged")
        self.start_controller()
        self.start_daemon("slurmd", "-D", "-f", str(self.configuration))
        wait_until(lambda: self.call("sinfo", "-h", "-o", "%T", check=False) == "idle", "slurmd")

    def configure(self) -> None:
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        text = CONFIGURATION.format(
            folder=self.folder,
            host=HOST,
            user=pwd.getpwuid(os.getuid()).pw_name,
            ports=free_ports(2),
            cpus=CPUS,
            gpus=GPUS,
        )
        self.configuration.write_text(text.lstrip())
        gpus = "".join(f"NodeName={HOST} Name=gpu File={device}\n" for device in DEVICES)
        (self.folder / "gres.conf").write_text(f"AutoDetect=off\n{gpus}")
        for name in CLIENTS:  # jobs lose the variable SLURM_CONF, but keep their PATH
            client = self.folder / "bin" / name
            call = f'SLURM_CONF={self.configuration} exec {program(name)} "$@"'
            client.write_text(f"#!/bin/sh\n{call}\n")
            client.chmod(0o755)

    def munge_files(self) -> list[str]:
        kinds = {"key-file": "key", "socket": "socket", "pid-file": "pid"}
        kinds |= {"seed-file": "seed", "log-file": "log"}
        return [f"--{option}={self.folder}/munge.{kind}" for option, kind in kinds.items()]

    def start_daemon(self, name: str, *arguments: str) -> None:
        # by its own name: slurmctld looks at it
        with open(self.folder / f"{name}.out", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                [program(name), *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self) -> None:
        """End all jobs, then all daemons."""
        try:
            self.end_jobs()
        finally:
            for name in reversed(DAEMONS):
                self.stop_daemon(name)

    def end_jobs(self) -> None:
        if "slurmctld" in self.daemons:
            wait_until(self.is_empty, "the jobs' end")

    def is_empty(self) -> bool:
        """Cancel all jobs; whether none is left."""
        self.call("scancel", "--user", str(os.getuid()), check=False)
        return not self.call("squeue", "-h", check=False)

    def stop_daemon(self, name: str) -> None:
        if daemon := self.daemons.pop(name, None):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def start_controller(self) -> None:
        self.start_daemon("slurmctld", "-D", "-f", str(self.configuration))

    def environment(self) -> dict[str, str]:
        """The environment of a user of the cluster."""
        foreign = ("SLURM_", "SBATCH_", "SRUN_")
        own = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        return own | {"PATH": f"{self.folder}/bin:{own['PATH']}"}

    def job(self, number: str) -> dict[str, str]:
        """Return what Slurm knows of a job."""
        return dict(re.findall(r"(\w+)=(\S*)", self.call("scontrol", "show", "job", number, "-o")))

    def call(self, *command: str, check: bool = True) -> str:
        """Return what a client prints."""
        done = subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, timeout=60
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_until(holds: Callable[[], object], what: str, seconds: float = 300) -> object:
    """Return the first true value; raises RuntimeError when it takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := holds():
            return value
        time.sleep(0.1)
    raise RuntimeError(f"waited {seconds} s for {what}")


def kill(process: int) -> None:
    """SIGKILL a process, which may have ended by itself."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass
