"""Energy of a training step on a GPU."""

import time
from collections.abc import Callable

import torch

from svp_core.runtime.meters import clock


def idle_power(device: torch.device, read: Callable[[], float], seconds: float) -> float:
    """Return what the device takes when nothing is computed, in watts; `read` returns joules."""
    time.sleep(seconds)  # what was computed before is still warm
    _, taken, joules = spend(lambda: time.sleep(0.05), device, read, seconds)
    return joules / taken


def step_energy(
    step: Callable[[], object],
    device: torch.device,
    read: Callable[[], float],
    idle: float,
    seconds: float = 3,
) -> float:
    """Return the energy of a step in mJ, less what the idle device takes in the same time.

    `read` returns joules, `idle` is in watts. Steps are repeated for `seconds`: the counter moves
    ten times a second.
    """
    times, taken, joules = spend(step, device, read, seconds)
    return 1000 * (joules - idle * taken) / times


def spend(
    act: Callable[[], object], device: torch.device, read: Callable[[], float], seconds: float
) -> tuple[int, float, float]:
    """Repeat an act for some seconds; return how often, and the seconds and joules it took."""
    start, energy, times = clock(device), read(), 0
    while clock(device) - start < seconds:
        act()
        times += 1
    return times, clock(device) - start, read() - energy
