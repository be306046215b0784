"""Time, energy and CUDA memory of training steps, the methods of a size side by side.

python -m svp_core.cost.measure name=mlp model=mlp series=[{method: bp},{method: svp}] \
    sweeps=[{depth: [3], width: [1000]}] --output cost.json
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from statistics import quantiles

import torch
from torch import Tensor

from svp_core.cost import cells, energy, memory, record
from svp_core.cost.build import build, random_batch
from svp_core.graphs import Graphs, Take, stepper
from svp_core.methods import Method
from svp_core.runtime import commands
from svp_core.runtime.device import device_name, prepare, warn_of_unused_gpu
from svp_core.runtime.meters import clock, energy_counter

StepEnergy = Callable[[Callable[[], object]], float | None]  # of a step, its energy in mJ


@commands.command()
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend."""
    parser = commands.Parser(
        prog="python -m svp_core.cost.measure",
        description="Measure training steps: time, and on a GPU energy and memory.",
    )
    parser.add_argument("--steps", type=rounds, default=30, help="timed steps a method (30)")
    warm_up = {"type": commands.integer(0), "default": 5}
    parser.add_argument("--warm-up", **warm_up, help="untimed steps before them (5)")
    seconds = "of steps, and of idling at first, that a GPU's energy counter is read over (3)"
    parser.add_argument("--energy-seconds", type=commands.number, default=3, help=seconds)
    commands.add_device(parser)
    commands.add_threads(parser)
    return record.command(parser, "measure", measure, arguments)


def rounds(text: str) -> int:
    """Return the number of timed steps that an argument asks for."""
    found = commands.integer(1)(text)
    if found < 2:
        raise argparse.ArgumentTypeError("quartiles need at least 2")
    return found


def measure(config: dict, given: argparse.Namespace) -> Iterator[dict]:
    """Yield the rows of all cells of a resolved config; ratios are to a baseline there."""
    prepare(given.threads)
    device = torch.device(given.device)
    warn_of_unused_gpu(device)
    meter = energy_meter(device, given.energy_seconds)
    where = device_name(device)
    if device.type == "cpu":
        where += f", threads: {given.threads}"
    for point in cells.points(config):
        for cell, found in zip(point, measure_point(point, device, given, meter), strict=True):
            for unit, values in found.items():
                yield from cells.rows(cell, values, unit, "measured", where)


def measure_point(
    point: list[dict], device: torch.device, given: argparse.Namespace, meter: StepEnergy
) -> Iterator[dict[str, dict]]:
    """Yield what was measured of every cell of a size, by unit; all are timed before the first."""
    batch = [part.to(device) for part in random_batch(point[0])]
    peaks = [cuda_peaks(cell, device, batch) for cell in point]  # while no other is there
    trained = [build(cell).place(device) for cell in point]
    takes = [stepper(method) for method in trained]
    seconds = interleave(trained, takes, *batch, given.warm_up, given.steps)
    reference = find_baseline(point)
    for take, own, sizes in zip(takes, seconds, peaks, strict=True):
        ratios = {} if reference is None else time_ratios(own, seconds[reference])
        joules = meter(partial(take, *batch))
        yield {"s": times(own), "1": ratios, "mJ": {"step_energy": joules}, "bytes": sizes}


def energy_meter(device: torch.device, seconds: float) -> StepEnergy:
    """Return what measures the energy of a step in mJ; it finds None where there is no counter."""
    read = energy_counter(device)
    if read is None:
        return lambda step: None
    idle = energy.idle_power(device, read, seconds)
    return lambda step: energy.step_energy(step, device, read, idle, seconds)


def find_baseline(point: list[dict]) -> int | None:
    """Return the place of the baseline, as it is by default, among the cells of a size."""
    series = [(cell["method"], cell["variant"]) for cell in point]
    baseline = point[0]["baseline"], "default"
    return series.index(baseline) if baseline in series else None


def interleave(
    trained: list[Method],
    takes: list[Take],
    images: Tensor,
    labels: Tensor,
    warm_up: int,
    steps: int,
) -> list[list[float]]:
    """Return the seconds of timed steps, a list a method: A-B-A-B, so that drifts meet all.

    If a method does some things every few steps only, all take as many together, divided by it.
    Labels move on by one image a round: one batch would be learned by heart, and the squares of
    vanishing gradients, which AdamW keeps, are denormal numbers, slow to compute with (BP's took
    three times as long after fifty steps).
    """
    seconds: list[list[float]] = [[] for _ in trained]
    cycle = min(math.lcm(*(one for method in trained for one in method.rhythm())), steps // 2)
    for turn in range(-warm_up, -(-steps // cycle)):
        moved = [labels.roll(turn * cycle + place) for place in range(cycle if turn >= 0 else 1)]
        if turn == 0:  # of all before any is timed: recording empties the allocator's cache
            for method, take in zip(trained, takes, strict=True):
                settle(method, take, images, moved)
        for take, times in zip(takes, seconds, strict=True):
            start = clock(images.device)
            for one in moved:
                take(images, one)
            if turn >= 0:
                times.append((clock(images.device) - start) / cycle)
    return seconds


def settle(method: Method, take: Take, images: Tensor, moved: list[Tensor]) -> None:
    """Go behind the first steps, and what is recorded of them."""
    method.go_to(0)
    if isinstance(take, Graphs):
        while len(take.graphs) < take.cycle:
            for labels in moved:
                take(images, labels)
        method.go_to(0)


def times(seconds: list[float]) -> dict[str, float]:
    """Return median and quartiles of a step's seconds."""
    return quartiles("step_time", seconds)


def time_ratios(seconds: list[float], reference: list[float]) -> dict[str, float]:
    """Return median and quartiles of a step's time relative to another's, round by round."""
    pairs = zip(seconds, reference, strict=True)
    return quartiles("step_time_ratio", [one / other for one, other in pairs])


def quartiles(name: str, values: list[float]) -> dict[str, float]:
    """Return `name_low`, `name` and `name_high`: quartiles and median, within what was measured."""
    found = quantiles(values, n=4, method="inclusive")
    return dict(zip((f"{name}_low", name, f"{name}_high"), found, strict=True))


def cuda_peaks(cell: dict, device: torch.device, batch: list[Tensor]) -> dict[str, int]:
    """Return the CUDA allocator's peaks of a step in bytes, `allocated` and `reserved`; else {}.

    Of single calls: what a graph keeps is not measured.
    """
    if device.type != "cuda" or cell["recipe"]["cuda_graphs"]:
        return {}
    return memory.allocator_peaks(lambda: build(cell).place(device), *batch)


if __name__ == "__main__":
    sys.exit(main())
