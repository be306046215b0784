"""What a training asks of a machine, by its dataset."""

from svp_core import datasets


def is_streamed(wildcards) -> bool:
    """Whether the dataset is read while training; the others live on the device."""
    return datasets.facts(wildcards.dataset).is_streamed


def cpus(wildcards) -> int:
    """Return CPUs: the images of a streamed set are decoded by as many worker processes."""
    return 8 if is_streamed(wildcards) else 1


def memory(wildcards, attempt: int) -> int:
    """Return MB: streamed sets keep a shuffle buffer, and batches of every worker."""
    return attempt * (16000 if is_streamed(wildcards) else 4000)


def minutes(wildcards) -> int:
    """Return minutes that a job may take; one that needs more continues in the next attempt."""
    return 60 * (24 if is_streamed(wildcards) else 2)
