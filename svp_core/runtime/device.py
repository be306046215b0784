"""The processor or accelerator of a process: its name, and equal numbers from equal runs on it."""

import os
import platform
from pathlib import Path

import torch

from svp_core.runtime.cpus import keep_freed_memory

NO_GPU = ("", "-1", "NoDevFiles")  # what Slurm and users set where there is none
sharing = 1  # processes that train on the device at a time, as far as the command knows


def device_name(device: torch.device) -> str:
    """Return the model of the accelerator, and who shares it, or of the processor."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return name if sharing == 1 else f"{name}, shared by {sharing} processes"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def warn_of_unused_gpu(device: torch.device) -> None:
    """Say that the GPU of a job is not used, as by a PyTorch that was built without CUDA."""
    names = "CUDA_VISIBLE_DEVICES", "SLURM_JOB_GPUS"
    granted = [name for name in names if os.environ.get(name, "-1") not in NO_GPU]
    if granted and device.type == "cpu" and not torch.cuda.is_available():
        print(f"warning: {granted[0]} is set, but PyTorch finds no GPU", flush=True)


def prepare(threads: int, processes: int = 1) -> None:
    """Make equal runs on an equal machine bit-identical, and as fast; say who shares the device."""
    global sharing
    sharing = processes
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    keep_freed_memory()
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing reads it; 6 % of a CNN
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32
