"""What planned runs will take, before the first of them starts: operations, hours, disk.

python -m svp_core.cost.plan plan.json --tflops 10
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from svp_core import datasets
from svp_core.cost.build import build, random_batch
from svp_core.cost.flops import count_flops
from svp_core.records import RecordError, read_run
from svp_core.runtime import commands

SERIES = ("dataset", "model", "method", "variant")
HEADER = (*SERIES, "runs", "TFLOP a run", "TFLOP/s", "hours a run", "hours")


@commands.command()
def main(arguments: list[str] | None = None) -> int:
    """Print the plan of a JSON file: resolved `runs`, with `count` seeds each, and `records`.

    Return 0, or 1 for a record that cannot be read.
    """
    parser = commands.Parser(prog="python -m svp_core.cost.plan", description=__doc__)
    rate = "rate that a device is assumed to sustain where no finished run tells (10)"
    parser.add_argument("--tflops", type=commands.number, default=10, help=rate)
    parser.add_argument("planned", type=Path, help="what to train, and paths of finished records")
    given = parser.parse_args(arguments)
    planned = json.loads(given.planned.read_text())
    try:
        rates = measured_rates(map(read_run, planned["records"]))
    except (RecordError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(report(planned["runs"], rates, given.tflops)))
    return 0


def report(runs: list[dict], rates: dict[tuple, float], assumed: float) -> Iterator[str]:
    """Yield the lines of the plan; rates are in TFLOP/s, by series."""
    if not runs:
        yield "Nothing to train: every planned run has its record."
        return
    rows, total, saved = [], 0.0, 0
    for run in runs:
        series, (operations, checkpoint) = tuple(run[axis] for axis in SERIES), sizes(run)
        rate = rates.get(series, assumed)
        hours = operations / (rate * 1e12) / 3600
        total, saved = total + run["count"] * hours, saved + run["count"] * checkpoint
        note = "measured" if series in rates else "assumed"
        numbers = f"{operations / 1e12:,.1f}", f"{rate:.3g} {note}", f"{hours:.3g}"
        rows.append([*series, str(run["count"]), *numbers, f"{run['count'] * hours:.3g}"])
    yield from aligned([list(HEADER), *rows])
    count = sum(run["count"] for run in runs)
    yield f"{count} runs, {total:.3g} device hours of training steps, as far as the rates hold."
    yield f"Checkpoints: {saved / 1e9:,.2f} GB if all ran at once; deleted when a run ends."
    yield from data_lines({run["dataset"] for run in runs})


def sizes(run: dict) -> tuple[int, int]:
    """Return the FLOPs of a whole run, and the bytes of its checkpoint."""
    facts, recipe = datasets.facts(run["dataset"]), run["recipe"]
    with FakeTensorMode():
        cell = run | {"image_shape": facts.shape, "classes": facts.classes}
        method = build(cell)
        step = count_flops(method, *random_batch(cell))
        states = [state for one in method.optimizers for state in one.state.values()]
        tensors = [*method.state_dict().values(), *(v for state in states for v in state.values())]
        saved = sum(value.nbytes for value in tensors if isinstance(value, torch.Tensor))
    steps = (recipe["train_images"] or facts.train_size) // recipe["batch_size"]
    return step * steps * recipe["epochs"], saved


def measured_rates(records: Iterable[dict]) -> dict[tuple, float]:
    """Return TFLOP/s of finished runs by series: all their operations in all their seconds."""
    spent: dict[tuple, list[float]] = {}
    for record in records:
        total = spent.setdefault(tuple(record["config"][axis] for axis in SERIES), [0.0, 0.0])
        total[0] += record["train_flops"]
        total[1] += record["train_seconds"]
    return {series: flops / seconds / 1e12 for series, (flops, seconds) in spent.items() if seconds}


def data_lines(names: set[str]) -> Iterator[str]:
    """Yield what the datasets take on disk, as far as it is known without them."""
    for name in sorted(names):
        facts = datasets.facts(name)
        if facts.files:
            note = "" if all(file.size for file in facts.files) else "at least "
            known = sum(file.size or 0 for file in facts.files)
            yield f"Data: {name}, {note}{known / 1e6:,.0f} MB."
        elif facts.folder:
            yield f"Data: {name}, size as its source says ({facts.homepage})."


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows as lines of columns of equal width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


if __name__ == "__main__":
    sys.exit(main())
