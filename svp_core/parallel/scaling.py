"""From records of svp_core.parallel.bench to a table: what was measured, the same simulated, and more.

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
        part = found["blocks"][str(record["batch"] // record["ranks"])]
        seconds = sum(part["forward"]) + sum(part["backward"])
        size, hop = found["parameter_bytes"], Line(**found["hop"])
        ranks = record["ranks"]
        outcome = simulate.data_parallel(seconds, sum(found["update"]), size, ranks, hop)
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
    passes = found["blocks"][str(batch // parts)]
    both = zip(passes["backward"], passes["adding"], strict=True)
    backward = [(first + (parts - 1) * later) / parts for first, later in both]
    lists = passes["forward"], backward, found["update"]
    sums = [[sum(values[index] for index in span) for span in spans] for values in lists]
    return Stages(*sums, sizes=())


def scaled(record: Mapping) -> Iterator[dict]:
    """Yield the rows of DEPTH blocks like the inner ones of the record, on up to as many devices."""
    deep = deepened(record)
    base = {"local": sum(deep["units"]), "bp": whole_seconds(deep, record["batch"])}
    ways = [("local", "pipeline", 1), ("bp", "ddp", 1)]
    parts = sorted(record["batch"] // int(size) for size in deep["blocks"])
    ways += [("bp", name, count) for name in ("gpipe", "1f1b") for count in parts]
    for ranks in DEVICES:
        spans = [[one.start, one.stop] for one in balanced(deep["units"], ranks)]
        told = {"ranks": ranks, "spans": {"local": spans, "bp": spans}, "depth": DEPTH}
        told = {**record, **told, "ingredients": deep}
        for names in ways:
            way = dict(zip(("method", "schedule", "micro_batches"), names, strict=True))
            if way["schedule"] == "ddp" and str(record["batch"] // ranks) not in deep["blocks"]:
                continue
            steps = EPOCH if way["method"] == "local" else 2  # BP's are filled and emptied each
            outcome, sent = outcome_of({**told, "steps": steps}, way)
            found = {"source": "simulated", "sent_bytes": sent, "utilisation": outcome.utilisation}
            times = of_time(record, outcome.seconds, base[way["method"]])
            yield key_of(told, way, ranks) | times | found


def deepened(record: Mapping) -> dict:
    """Return the ingredients of DEPTH blocks, each like the median of those that are not at an end."""
    found = record["ingredients"]

    def repeated(values: list[float]) -> list[float]:
        return [median(values[1:-1])] * DEPTH

    lists = {key: repeated(found[key]) for key in ("units", "update", "activation_bytes")}
    blocks = {
        size: {kind: repeated(values) for kind, values in passes.items()}
        for size, passes in found["blocks"].items()
    }
    parameters = found["parameter_bytes"] * DEPTH // len(found["units"])
    return {**found, **lists, "blocks": blocks, "parameter_bytes": parameters}


def whole_seconds(found: Mapping, batch: int) -> float:
    """Return the seconds of a step of BP by one process."""
    passes = found["blocks"][str(batch)]
    return sum(passes["forward"]) + sum(passes["backward"]) + sum(found["update"])


if __name__ == "__main__":
    sys.exit(main())
