"""Partitions and simulated pipelines: closed forms, bounds, and the real schedules of PyTorch."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from figures import parallel
from svp_core import tables
from svp_core.parallel import scaling, simulate
from svp_core.parallel.partition import balanced
from svp_core.parallel.simulate import Line, Link, Stages

FREE = Link()
COSTS = st.lists(st.floats(0.01, 10), min_size=1, max_size=8)


@given(COSTS, st.integers(1, 8))
def test_no_other_partition_has_a_smaller_largest_sum(costs, ranks):
    ranks = min(ranks, len(costs))
    spans = balanced(costs, ranks)
    assert [index for span in spans for index in span] == list(range(len(costs)))
    assert all(len(span) for span in spans)
    every = itertools.combinations(range(1, len(costs)), ranks - 1)
    cuts = ([0, *cut, len(costs)] for cut in every)
    best = min(max(sum(costs[a:b]) for a, b in itertools.pairwise(cut)) for cut in cuts)
    assert max(sum(costs[index] for index in span) for span in spans) == pytest.approx(best)


def test_more_ranks_than_units_are_no_partition():
    with pytest.raises(ValueError, match="3 ranks for 2 units"):
        balanced([1.0, 1.0], 3)


def equal(ranks: int, size: float = 0.0, update: float = 0.0) -> Stages:
    """Ranks that take 1 s forward and 2 s backward."""
    return Stages([1.0] * ranks, [2.0] * ranks, [update] * ranks, [size] * (ranks - 1))


@pytest.mark.parametrize("schedule", ["gpipe", "1f1b"])
@pytest.mark.parametrize(("ranks", "parts"), [(1, 1), (2, 1), (2, 4), (4, 8), (8, 3), (16, 64)])
def test_the_bubble_of_equal_ranks_is_that_of_the_papers(schedule, ranks, parts):
    """(p - 1) / (m + p - 1), of GPipe and of 1F1B with a flush alike."""
    found = simulate.scheduled(schedule, equal(ranks), parts, FREE)
    assert found.seconds == pytest.approx(3 * (parts + ranks - 1))
    assert found.bubble == pytest.approx((ranks - 1) / (parts + ranks - 1))


def test_1f1b_keeps_no_more_micro_batches_than_there_are_ranks_to_come():
    for rank in range(4):
        alive, most = 0, 0
        for kind, _ in simulate.order("1f1b", rank, 4, 8):
            alive += 1 if kind == "forward" else -1
            most = max(most, alive)
        assert (alive, most) == (0, 4 - rank)


def test_messages_of_a_pipeline_of_bp_lie_on_the_way_forward_and_back():
    """With one micro-batch nothing is hidden: boundaries are crossed twice, one after another."""
    link = Link(way=Line(0.5, 10.0))  # 1.5 s for 10 bytes
    found = simulate.scheduled("gpipe", equal(3, size=10.0, update=0.25), 1, link)
    assert found.seconds == pytest.approx(3 * 3 + 4 * 1.5 + 0.25)


@pytest.mark.parametrize("steps", [1, 7, 100])
def test_local_units_wait_only_until_the_pipeline_is_full(steps):
    """(n + p - 1) of p equal ranks and n batches: messages that move beside the work are hidden."""
    found = simulate.local([2.0] * 4, [1.0] * 3, FREE, steps)
    assert found.seconds == pytest.approx(2.0 * (steps + 3) / steps)
    slow = simulate.local([2.0] * 4, [1.0] * 3, Link(way=Line(0.5)), steps)
    assert slow.seconds == pytest.approx(found.seconds + 1.5 / steps)


def test_the_slowest_rank_and_what_it_spends_on_messages_set_the_pace():
    link = Link(work=Line(0.25))
    found = simulate.local([1.0, 3.0, 1.0], [8.0, 8.0], link, 1000)
    assert found.seconds == pytest.approx(3.5, rel=0.01)
    assert found.utilisation == pytest.approx(5 / (3 * 3.5), rel=0.01)


def test_a_fast_rank_is_only_so_far_ahead():
    """It ends with the slow one, but for the messages that wait."""
    fast, slow, steps = 1.0, 10.0, 50
    found = simulate.local([fast, slow], [1.0], FREE, steps)
    assert found.seconds == pytest.approx(slow + fast / steps)


def test_ddp_passes_a_ring():
    found = simulate.data_parallel(3.0, 1.0, 80.0, 4, Line(0.5, 10.0))
    assert found.seconds == pytest.approx(4.0 + 6 * (0.5 + 2.0))
    assert found.utilisation == pytest.approx(4.0 / found.seconds)


def record(blocks: int = 4) -> dict:
    """A record of the benchmark of two ranks, made up."""
    passes = {"forward": [1.0] * blocks, "backward": [2.0] * blocks, "update": [0.5] * blocks}
    shapes = [(8, 1), (8, 2), (8, 4), (4, 1), (2, 1)]
    found = {
        "units": [2.0] * blocks,
        "blocks": [{"images": n, "micro_batches": m} | passes for n, m in shapes],
        "activation_bytes": [320] * blocks,
        "parameter_bytes": 4000,
        "message": {"way": {"fixed": 0.1, "rate": 1e4}, "work": {"fixed": 0.0, "rate": 1e9}},
        "hop": {"fixed": 0.1, "rate": 1e4},
    }
    names = [("local", "alone"), ("bp", "alone"), ("local", "pipeline"), ("bp", "gpipe")]
    ways = [
        {"method": method, "schedule": schedule, "micro_batches": 2 if schedule == "gpipe" else 1}
        | {"step_time": 8.0, "busy_seconds": [4.0, 4.0], "memory": [100, 200]}
        for method, schedule in [*names, ("bp", "ddp")]
    ]
    sizes = {"model": "mlp", "depth": blocks, "width": 10, "batch": 8, "classes": 10, "ranks": 2}
    spans = {name: [[0, 2], [2, 4]] for name in ("local", "bp")}
    return sizes | {"local": "svp:d0=10", "steps": 5, "spans": spans} | {
        "ingredients": found, "ways": ways
    }  # fmt: skip


def test_the_figure_says_how_far_the_simulation_is_from_real_processes(tmp_path):
    source = tmp_path / "parallel.csv"
    frame = tables.from_rows(scaling.rows_of(record()), "parallel")
    source.write_bytes(tables.csv_bytes(frame))
    files = [str(tmp_path / f"figure.{kind}") for kind in ("png", "pdf")]
    parallel.main([str(source), "--png", files[0], "--pdf", files[1]])
    seen = parallel.describe(tables.read(source, "parallel"))
    assert seen.startswith("MLP: simulated rates are within ") and "64 devices" in seen
    assert all(Path(file).stat().st_size for file in files)


def test_the_table_holds_what_was_measured_and_what_is_simulated_to_64_devices():
    frame = tables.from_rows(scaling.rows_of(record()), "parallel")
    here = frame[frame["depth"] == 4].set_index(["schedule", "source"])
    assert here.loc[("pipeline", "simulated"), "step_time"] == pytest.approx(
        simulate.local(
            [4.0, 4.0], [320 + 8 * 48 + 8], Link(Line(0.1, 1e4), Line(0, 1e9)), 5
        ).seconds
    )
    assert (
        here.loc[("pipeline", "simulated"), "speedup"] > here.loc[("gpipe", "measured"), "speedup"]
    )
    far = frame[frame["depth"] == 64].set_index(["method", "schedule", "micro_batches", "ranks"])
    assert far.loc[("svp", "pipeline", 1, 64), "speedup"] == pytest.approx(64, rel=0.2)
    assert (
        far.loc[("bp", "gpipe", 4, 1), "speedup"] < 1 <= far.loc[("bp", "gpipe", 1, 1), "speedup"]
    )
    assert set(far.index.get_level_values("ranks")) == set(scaling.DEVICES)
