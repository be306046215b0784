"""Meters of time and energy, read between steps."""

import time
from collections.abc import Callable

import torch

from svp_core.runtime import device as runtime_device


def clock(device: torch.device) -> float:
    """Return the time in seconds, once the device has done what it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def energy_counter(device: torch.device) -> Callable[[], float] | None:
    """Return a function that reads the energy in joules that a GPU has taken since some moment.

    None where the driver (NVML) has no such counter, as for a CPU, a part of a GPU or one before
    Volta, and where other processes of the same command take energy from it too.
    """
    if device.type != "cuda" or runtime_device.sharing > 1:
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


class Meter:
    """Seconds and joules of what a device does between `start` and `stop`, added up."""

    def __init__(self, device: torch.device):
        self.device, self.read = device, energy_counter(device)
        self.seconds, self.joules = 0.0, None if self.read is None else 0.0
        self.started: tuple | None = None  # what the meters showed, None while this one stands

    def start(self) -> None:
        """Go on measuring, if it does not already."""
        if self.started is None:
            self.started = clock(self.device), self.read and self.read()

    def stop(self) -> None:
        """Add what was spent since the start."""
        if self.started is not None:
            seconds, joules = self.started
            self.started = None
            self.add(clock(self.device) - seconds, self.read and self.read() - joules)

    def add(self, seconds: float, joules: float | None) -> None:
        """Add what was measured elsewhere; the sum of joules is unknown if a part of it is."""
        self.seconds += seconds
        is_known = self.joules is not None and joules is not None
        self.joules = self.joules + joules if is_known else None
