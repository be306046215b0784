"""From records of svp_core.parallel.bench to a table: measured, the same simulated, and more.

python -m svp_core.parallel.scaling FILE... --output parallel.csv
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from svp_core import tables
from svp_core.parallel import simulate
from svp_core.parallel.partition import balanced
from svp_core.parallel.simulate import Line, Link, Outcome, Stages
from svp_core.runtime import commands

DEVICES = (1, 2, 4, 8, 16, 32, 64)
DEPTH = 64  # equal blocks of the network that is simulated on more devices
EPOCH = 390  # steps, of 50,000 images in batches of 128; a pipeline of local units fills once in it
LABEL = 8  # bytes
PASSES = ("forward", "backward", "update")


@commands.command(tables.TableError)
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend."""
    parser = commands.Parser(prog="python -m svp_core.parallel.scaling", description=__doc__)
    parser.add_argument("records", type=Path, nargs="+", metavar="FILE", help="lines of JSON")
    parser.add_argument("--output", type=commands.file, required=True, help="table (CSV)")
    given = parser.parse_args(arguments)
    lines = [line for path in given.records for line in path.read_text().splitlines()]
    rows = [row for line in lines for row in rows_of(json.loads(line))]
    tables.write({given.output: tables.csv_bytes(tables.from_rows(rows, "parallel"))})
    return 0


def rows_of(record: Mapping) -> Iterator[dict]:
    """Yield the rows of a record, measured and simulated, and of a deep network on more devices."""
    alone = {one["method"]: one for one in record["ways"] if one["schedule"] == "alone"}
    for way in record["ways"]:
        ranks = 1 if way["schedule"] == "alone" else record["ranks"]
        base, key = alone[way["method"]]["step_time"], key_of(record, way, ranks)
        busy = sum(way["busy_seconds"]) / (ranks * way["step_time"])
        measured = {"utilisation": min(busy, 1.0), "memory": max(way["memory"][:ranks])}
        yield key | {"source": "measured"} | of_time(record, way["step_time"], base) | measured
        if ranks > 1:
            outcome, sent = outcome_of(record, way)
            found = {"source": "simulated", "sent_bytes": sent, "utilisation": outcome.utilisation}
            yield key | of_time(record, outcome.seconds, base) | found
    yield from scaled(record)


def key_of(record: Mapping, way: Mapping, ranks: int) -> dict:
    """Return what names a row."""
    method = record["local"].partition(":")[0] if way["method"] == "local" else way["method"]
    sizes = {key: record[key] for key in ("model", "depth", "width", "batch")}
    names = {"schedule": way["schedule"], "micro_batches": way["micro_batches"], "ranks": ranks}
    return sizes | {"method": method} | names


def of_time(record: Mapping, seconds: float, alone: float) -> dict:
    """Return what follows from the time of a step, and from that of one process."""
    rates = {"images_per_second": record["batch"] / seconds, "speedup": alone / seconds}
    return {"step_time": seconds} | rates


def outcome_of(record: Mapping, way: Mapping) -> tuple[Outcome, int]:
    """Return what the simulation says of a way, and the bytes that all ranks send in a step."""
    found, steps, parts = record["ingredients"], record["steps"], way["micro_batches"]
    if way["schedule"] == "ddp":
        ranks, size = record["ranks"], found["parameter_bytes"]
        part = passes_of(found, record["batch"] // ranks, 1)
        seconds, update = sum(part["forward"]) + sum(part["backward"]), sum(part["update"])
        outcome = simulate.data_parallel(seconds, update, size, ranks, Line(**found["hop"]))
        return outcome, 2 * (ranks - 1) * size
    spans = [range(*one) for one in record["spans"][way["method"]]]
    ends = [found["activation_bytes"][span.stop - 1] for span in spans[:-1]]
    if way["method"] == "local":
        sizes = [one + beside(record) for one in ends]
        seconds = [sum(found["units"][index] for index in span) for span in spans]
        return simulate.local(seconds, sizes, link_of(found), steps), sum(sizes)
    stages = stages_of(found, spans, record["batch"], parts)
    stages = stages._replace(sizes=[one / parts for one in ends])
    return simulate.scheduled(way["schedule"], stages, parts, link_of(found), steps), 2 * sum(ends)


def beside(record: Mapping) -> int:
    """Return the bytes that go with an activation: labels, what is read from it, an order."""
    return record["batch"] * (LABEL + 4 * record["classes"]) + LABEL


def link_of(found: Mapping) -> Link:
    return Link(*(Line(**found["message"][key]) for key in ("way", "work")))


def stages_of(found: Mapping, spans: list[range], batch: int, parts: int) -> Stages:
    """Return the seconds of ranks that have these blocks, of so many micro-batches a batch."""
    passes = passes_of(found, batch, parts)
    lists = [passes[kind] for kind in PASSES]
    sums = [[sum(values[index] for index in span) for span in spans] for values in lists]
    return Stages(*sums, sizes=())


def passes_of(found: Mapping, images: int, parts: int) -> Mapping:
    """Return the seconds of all blocks, measured with so many images in so many micro-batches."""
    wanted = images, parts
    return next(one for one in found["blocks"] if (one["images"], one["micro_batches"]) == wanted)


def scaled(record: Mapping) -> Iterator[dict]:
    """Yield the rows of DEPTH blocks like the inner ones of a record, on up to as many devices."""
    deep = deepened(record)
    base = {"local": sum(deep["units"]), "bp": whole_seconds(deep)}
    ways = [("local", "pipeline", 1), ("bp", "ddp", 1)]
    whole = [one for one in deep["blocks"] if one["images"] == record["batch"]]
    parts = [one["micro_batches"] for one in whole]
    ways += [("bp", name, count) for name in ("gpipe", "1f1b") for count in parts]
    for ranks in DEVICES:
        spans = [[one.start, one.stop] for one in balanced(deep["units"], ranks)]
        told = {"ranks": ranks, "spans": {"local": spans, "bp": spans}, "depth": DEPTH}
        told = {**record, **told, "ingredients": deep}
        for names in ways:
            way = dict(zip(("method", "schedule", "micro_batches"), names, strict=True))
            if way["schedule"] == "ddp" and ranks > 1 and ranks not in parts:
                continue
            steps = EPOCH if way["method"] == "local" else 2  # BP's are filled and emptied each
            outcome, sent = outcome_of({**told, "steps": steps}, way)
            found = {"source": "simulated", "sent_bytes": sent, "utilisation": outcome.utilisation}
            times = of_time(record, outcome.seconds, base[way["method"]])
            yield key_of(told, way, ranks) | times | found


def deepened(record: Mapping) -> dict:
    """Return the ingredients of DEPTH blocks, each like the median of those not at an end."""
    found = record["ingredients"]

    def repeated(values: list[float]) -> list[float]:
        return [median(values[1:-1])] * DEPTH

    lists = {key: repeated(found[key]) for key in ("units", "activation_bytes")}
    blocks = [one | {kind: repeated(one[kind]) for kind in PASSES} for one in found["blocks"]]
    parameters = found["parameter_bytes"] * DEPTH // len(found["units"])
    return {**found, **lists, "blocks": blocks, "parameter_bytes": parameters}


def whole_seconds(found: Mapping) -> float:
    """Return the seconds of a step of BP by one process."""
    return sum(sum(found["blocks"][0][kind]) for kind in PASSES)


if __name__ == "__main__":
    sys.exit(main())
