"""The CPUs of this process."""

import os


def available_cpus() -> int:
    """Return the number of CPUs that this process may use, such as those of its Slurm job."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1
