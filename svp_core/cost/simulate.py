"""Memory and FLOPs of training steps, on tensors that have sizes but no contents.

python -m svp_core.cost.simulate name=mlp model=mlp series=[{method: bp},{method: svp}] \
    sweeps=[{depth: [2, 4, 8]}] --output cost.json
"""

import argparse
import sys
from collections.abc import Iterator

from torch._subclasses.fake_tensor import FakeTensorMode

from svp_core.cost import cells, memory, record
from svp_core.cost.build import build, random_batch
from svp_core.cost.flops import count_flops
from svp_core.cost.largest import largest_depths
from svp_core.runtime import commands


@commands.command()
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend."""
    parser = commands.Parser(
        prog="python -m svp_core.cost.simulate",
        description="Simulate training steps and write their memory by kind and their FLOPs.",
    )
    return record.command(parser, "simulate", measure, arguments)


def measure(config: dict, given: argparse.Namespace) -> Iterator[dict]:
    """Yield the rows of all cells of a resolved config, and of the largest depths it asks for."""
    for point in cells.points(config):
        for cell in point:
            yield from simulate(cell)
    yield from largest_depths(config, total)


def simulate(cell: dict) -> list[dict]:
    """Return the rows of one cell; nothing is computed, so any size fits any machine."""
    with FakeTensorMode():
        method, batch = build(cell), random_batch(cell)
        # the parts of a batch take as many operations as the whole, and longer to count
        parts, method.micro_batches = method.micro_batches, 1
        flops = count_flops(method, *batch)
        method.micro_batches = parts
        method.go_to(0)
        sizes = memory.follow_step(method, *batch)
    return [
        *cells.rows(cell, sizes, "bytes", "simulated"),
        *cells.rows(cell, {"flops": flops}, "flop", "counted"),
    ]


def total(cell: dict) -> int:
    """Return the bytes at the peak of a step of one cell."""
    with FakeTensorMode():
        return memory.measure_step(build(cell), *random_batch(cell))["total"]


if __name__ == "__main__":
    sys.exit(main())
