"""Ways to train on several processes, in turn: local units, BP's pipelines, DDP; what each takes.

python -m svp_core.parallel.bench --model mlp --depth 8 --width 1000 --batch 128 --output FILE
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import torch
import torch.distributed as dist
from torch import Tensor

from svp_core import bench
from svp_core.cost.build import build, random_batch
from svp_core.cost.measure import quartiles, rounds
from svp_core.cost.memory import measure_step
from svp_core.methods import Method
from svp_core.parallel import ingredients, simulate
from svp_core.parallel.launch import launch
from svp_core.parallel.partition import balanced
from svp_core.parallel.ranks import Ranks, joined
from svp_core.parallel.timing import unit_seconds
from svp_core.parallel.ways import (
    SCHEDULES,
    Alone,
    DataParallel,
    LocalUnits,
    Ordered,
    Scheduled,
    Way,
)
from svp_core.runtime import commands
from svp_core.runtime.device import device_name, prepare

PARTS = (1, 2, 4, 8, 16, 32, 64)  # of a batch, whose times are measured
Name = tuple[str, str, int]  # bp or local, schedule, micro-batches
CPU = torch.device("cpu")


@commands.command()
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend."""
    given = parse_arguments(arguments)
    if "RANK" not in os.environ:
        whole = sys.argv[1:] if arguments is None else arguments
        return launch(given.ranks, "svp_core.parallel.bench", whole)
    prepare(threads=1)
    with joined(CPU) as ranks:
        record = measure(given, ranks)
        if ranks.is_last:
            with given.output.open("a") as file:
                file.write(json.dumps(record) + "\n")
            report(record)
    return 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = commands.Parser(prog="python -m svp_core.parallel.bench", description=__doc__)
    bench.add_sizes(parser)
    parser.add_argument("--ranks", type=commands.integer(2), default=2, help="processes (2)")
    local = "method of local units, such as svp:d0=128:readout=private (svp)"
    parser.add_argument("--local", default="svp", help=local)
    parts = "micro-batches of BP's pipelines (4 8)"
    parser.add_argument("--parts", type=commands.integer(1), nargs="+", default=[4, 8], help=parts)
    parser.add_argument("--steps", type=commands.integer(1), default=20, help="steps a round (20)")
    parser.add_argument("--rounds", type=rounds, default=7, help="rounds of each way (7)")
    output = "file that a line of JSON is added to"
    parser.add_argument("--output", type=commands.file, required=True, help=output)
    return parser.parse_args(arguments)


def measure(given: argparse.Namespace, ranks: Ranks) -> dict:
    """Return the record of all ways, the same at every rank but for what only one can know."""
    cells = {name: bench.describe(spec, given) for name, spec in methods(given).items()}
    batch = random_batch(cells["bp"])
    make = {name: partial(build, cell) for name, cell in cells.items()}
    found = find_ingredients(make, batch, given.parts, ranks)
    spans = find_spans(found, ranks.count)
    ways = find_ways(make, batch, spans, given.parts, ranks)
    times = interleave(ways, given, ranks)
    again = find_ingredients(make, batch, given.parts, ranks)
    found |= {key: lesser(found[key], again[key]) for key in ("units", "units_alone", "blocks")}
    record = {key: value for key, value in vars(given).items() if key != "output"}
    record |= {"device": device_name(CPU), "threads": 1, "torch": str(torch.__version__)}
    places = {name: [[one.start, one.stop] for one in parts] for name, parts in spans.items()}
    record |= {"ingredients": found, "spans": places}
    memory = find_memory(make, batch, spans, given.parts, ranks)
    record["ways"] = [
        dict(zip(("method", "schedule", "micro_batches"), name, strict=True))
        | times[name]
        | {"memory": memory[name]}
        for name in ways
    ]
    record["resident_bytes"] = ranks.all(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return record


def methods(given: argparse.Namespace) -> dict[str, str]:
    return {"local": given.local, "bp": "bp"}


def find_ingredients(make: dict[str, Callable], batch, parts: list[int], ranks: Ranks) -> dict:
    """Return what the simulation needs, means over the ranks, which measure at the same time."""
    images, labels = batch
    units = partial(unit_seconds, make["local"](), images, labels, ingredients.ROUNDS)
    alone = ranks.from_rank(0, units() if ranks.is_first else None)
    measures = {
        "units": units,
        "message": lambda: ingredients.message_lines(ranks),
        "hop": lambda: ingredients.hop_line(ranks),
        "blocks": lambda: [
            ingredients.block_seconds(make["bp"](), images[:size], labels[:size], count)
            for size, count in shapes(len(images), {*parts, ranks.count})
        ],
    }
    found = {"units_alone": alone} | ingredients.sizes(make["bp"](), images)
    for name, act in measures.items():
        dist.barrier()
        found[name] = middle(ranks.all(act()))
    return found


def shapes(batch: int, others: set[int]) -> list[tuple[int, int]]:
    """Return images and micro-batches whose times are measured, of pipelines and of DDP."""
    counts = sorted(count for count in {*PARTS, *others} if batch % count == 0)
    return [(batch, count) for count in counts] + [(batch // count, 1) for count in counts[1:]]


def middle(values: list):
    """Return the mean of what ranks have measured, of times in whatever they are held in."""
    if isinstance(values[0], dict):
        return {key: middle([one[key] for one in values]) for key in values[0]}
    if isinstance(values[0], list):
        return [middle(list(one)) for one in zip(*values, strict=True)]
    return values[0] if isinstance(values[0], int) else sum(values) / len(values)  # a size


def lesser(one, other):
    """Return the lesser of two measurements, number by number: what disturbs one lengthens it."""
    if isinstance(one, dict):
        return {key: lesser(one[key], other[key]) for key in one}
    if isinstance(one, list):
        return [lesser(*pair) for pair in zip(one, other, strict=True)]
    return min(one, other)


def find_spans(found: dict, count: int) -> dict[str, list[range]]:
    """Return the units of every rank, and BP's blocks, by their measured times."""
    whole = found["blocks"][0]
    passes = zip(*(whole[kind] for kind in ("forward", "backward", "update")), strict=True)
    return {
        "local": balanced(found["units"], count),
        "bp": balanced([sum(one) for one in passes], count),
    }


def find_ways(make, batch, spans, parts: list[int], ranks: Ranks) -> dict[Name, Way]:
    """Return all ways by method, schedule and number of micro-batches."""
    own = {name: found[ranks.own] for name, found in spans.items()}
    ways: dict[Name, Way] = {
        ("bp", "alone", 1): Alone(make["bp"](), ranks, *batch),
        ("local", "alone", 1): Alone(make["local"](), ranks, *batch),
        ("local", "pipeline", 1): LocalUnits(make["local"](), own["local"], ranks, *batch),
        ("bp", "ddp", 1): DataParallel(make["bp"](), ranks, *batch),
    }
    for name, count in product(SCHEDULES, parts):
        whole = make["bp"]()
        ways["bp", name, count] = Scheduled(name, whole, own["bp"], ranks, count, *batch)
    return ways


def interleave(ways: dict[Name, Way], given: argparse.Namespace, ranks: Ranks) -> dict[Name, dict]:
    """Return of every way the seconds of a step, and the shares of time that ranks computed."""
    seconds: dict[Name, list[float]] = {name: [] for name in ways}
    busy: dict[Name, list[float]] = {name: [] for name in ways}
    for turn in range(given.rounds + 1):  # the first one is a warm-up
        for name, way in ways.items():
            dist.barrier()
            started, worked = time.perf_counter(), time.thread_time()
            way.steps(given.steps)
            worked = time.thread_time() - worked
            dist.barrier()
            if turn:
                seconds[name].append((time.perf_counter() - started) / given.steps)
                busy[name].append(worked / given.steps)
    found, steps = ranks.all(busy), given.steps * (given.rounds + 1)
    sent = {name: ranks.all(getattr(way, "sent", 0) / steps) for name, way in ways.items()}
    return {
        name: quartiles("step_time", seconds[name])
        | {"busy_seconds": [sum(one[name]) / len(one[name]) for one in found]}
        | {"rounds": seconds[name], "sent_bytes": sent[name]}
        for name in ways
    }


def find_memory(make, batch, spans, parts: list[int], ranks: Ranks) -> dict[Name, list[int]]:
    """Return the bytes of all tensors at the peak of a step, of every rank, without messages."""
    own, last = spans["bp"][ranks.own], ranks.is_last
    share = [one.chunk(ranks.count)[ranks.own] for one in batch]
    part = LocalUnits(make["local"](), spans["local"][ranks.own], Ranks(0, 1), *batch).stage
    steps: dict[Name, tuple[Method, Sequence[Tensor]]] = {
        ("bp", "alone", 1): (make["bp"](), batch),
        ("local", "alone", 1): (make["local"](), batch),
        ("local", "pipeline", 1): (part, before(make["local"](), spans["local"][ranks.own], batch)),
        ("bp", "ddp", 1): (make["bp"](), share),
    }
    for name, count in product(SCHEDULES, parts):
        order = simulate.order(name, ranks.own, ranks.count, count)
        rank = Ordered(make["bp"](), own, last, order)
        steps["bp", name, count] = rank, before(make["bp"](), own, batch)
    return {
        name: ranks.all(measure_step(method.train(), *given)["total"])
        for name, (method, given) in steps.items()
    }


@torch.no_grad()
def before(whole: Method, span: range, batch) -> tuple:
    """Return a batch as it comes to the blocks of a rank."""
    hidden = batch[0]
    for block in whole.layer_blocks()[: span.start]:
        hidden = block(hidden)
    return hidden, batch[1]


def report(record: dict) -> None:
    """Print a line a way."""
    for way in record["ways"]:
        rate, name = record["batch"] / way["step_time"], f"{way['method']} {way['schedule']}"
        text = f"{name} {way['micro_batches']}: {1e3 * way['step_time']:.2f} ms a step"
        print(f"{text}, {rate:.0f} images/s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
