"""The CPUs of this process."""

import os


def available_cpus() -> int:
    """Return the number of CPUs that this process may use, at most those of its Slurm job."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    # Slurm does not bind processes to their CPUs on every cluster
    return min(count, int(os.environ.get("SLURM_CPUS_PER_TASK", count)))
