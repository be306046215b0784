"""What steps of several processes are given: labels that move on, targets made once a batch."""

import pytest
import torch
from networks import SHAPE, batch, build, build_method
from torch import distributed as dist

from svp_core.local.fast import FastStep
from svp_core.parallel.ingredients import STEPS, block_seconds
from svp_core.parallel.ranks import Ranks
from svp_core.parallel.stage import Stage
from svp_core.parallel.timing import unit_seconds
from svp_core.parallel.ways import Alone, DataParallel, LocalUnits, Scheduled

ALONE, SPAN = Ranks(0, 1), range(3)
IMAGES, LABELS = batch(SHAPE)
WAYS = {
    "bp alone": lambda whole: Alone(whole, ALONE, IMAGES, LABELS),
    "svp alone": lambda whole: Alone(whole, ALONE, IMAGES, LABELS),
    "svp pipeline": lambda whole: LocalUnits(whole, SPAN, ALONE, IMAGES, LABELS),
    "bp ddp": lambda whole: DataParallel(whole, ALONE, IMAGES, LABELS),
    "bp gpipe": lambda whole: Scheduled("gpipe", whole, SPAN, ALONE, 2, IMAGES, LABELS),
    "bp 1f1b": lambda whole: Scheduled("1f1b", whole, SPAN, ALONE, 2, IMAGES, LABELS),
}
TIMERS = {  # how many rounds they are of, and the times that are fed to the simulation
    "bp blocks": (STEPS, lambda whole: block_seconds(whole, IMAGES, LABELS, parts=2)),
    "svp units": (4, lambda whole: unit_seconds(whole, IMAGES, LABELS, rounds=3)),
}


@pytest.fixture(scope="module")
def processes():
    """All processes that train together: this one."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def method_of(name: str, **given):
    return build_method(build("mlp", SHAPE, depth=3, width=16), name, image_shape=SHAPE, **given)


@pytest.fixture
def watched(request, monkeypatch) -> tuple:
    """A method, and a list that the labels of all its losses are added to."""
    is_svp = request.param.startswith("svp")
    options = {"method_options": {"step": "plain"}} if is_svp else {}
    whole, seen = method_of(request.param.split()[0], **options), []
    loss = whole.loss

    def noted(logits, labels, *more):
        seen.append(labels.clone())
        return loss(logits, labels, *more)

    monkeypatch.setattr(whole, "loss", noted)
    return whole, seen


def check(seen: list, steps: int) -> None:
    """Compare the labels of every step, of its first unit, with those of the step before."""
    found = torch.cat(seen).view(steps, -1)[:, : len(LABELS)]
    assert torch.equal(found[1:], found[:-1].roll(1, dims=1))
    assert not any(torch.equal(*pair) for pair in zip(found[:-1], found[1:], strict=True))


@pytest.mark.parametrize(("watched", "way"), WAYS.items(), ids=WAYS, indirect=["watched"])
def test_no_way_sees_labels_twice_in_a_row_within_rounds_or_between(processes, watched, way):
    """BP would learn one batch by heart: its gradients vanish, and its steps get slow."""
    whole, seen = watched
    way = way(whole)
    way.steps(1)
    seen.clear()  # schedules have tried the loss out
    for _ in range(2):
        way.steps(3)
    check(seen, steps=6)


@pytest.mark.parametrize(("watched", "timer"), TIMERS.items(), ids=TIMERS, indirect=["watched"])
def test_nor_do_those_whose_times_are_simulated(watched, timer):
    whole, seen = watched
    steps, act = timer
    act(whole)
    check(seen, steps)


def test_targets_are_made_once_a_micro_batch_and_not_for_every_unit(monkeypatch):
    stage = Stage(method_of("svp", micro_batches=2), SPAN, ALONE, None)
    made, prepare = [], FastStep.prepare

    def counted(*given):
        made.append(1)
        return prepare(*given)

    monkeypatch.setattr(FastStep, "prepare", counted)
    stage.step(IMAGES, LABELS)
    assert stage.drain()["unit_loss"].shape == (3,)
    assert len(made) == 2
