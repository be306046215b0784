"""The CPUs of this process, and how its memory is handed out."""

import ctypes
import os

from svp_core.config.pairs import ConfigError


def available_cpus() -> int:
    """Return the number of CPUs that this process may use, at most those of its Slurm job."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    # Slurm does not bind processes to their CPUs on every cluster
    granted = os.environ.get("SLURM_CPUS_PER_TASK", str(count))
    if not granted.isdecimal() or int(granted) < 1:
        raise ConfigError(f"SLURM_CPUS_PER_TASK: {granted!r} is no number of CPUs")
    return min(count, int(granted))


def keep_freed_memory() -> None:
    """Let glibc keep what one step frees for the next one, rather than return it to the system.

    Taking it anew, page by page, cost up to a sixth of a training step, or nothing, by chance.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 2**25)  # bytes; the largest value that is allowed
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
