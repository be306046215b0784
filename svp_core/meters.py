"""Meters of time and energy, read between steps."""

import time
from collections.abc import Callable

import torch


def clock(device: torch.device) -> float:
    """Return the time in seconds, once the device has done what it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def energy_counter(device: torch.device) -> Callable[[], float] | None:
    """Return a function that reads the energy in joules that a GPU has taken since some moment.

    None where the driver (NVML) has no such counter: a CPU, a part of a GPU, one before Volta.
    """
    if device.type != "cuda":
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        uuid = torch.cuda.get_device_properties(device).uuid
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        return None
    return lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000  # of millijoules
