"""What discriminants do every few steps only: moments, solutions, and what is counted of it."""

import pytest
import torch
from networks import SHAPE, batch, on_three_blocks, saved

from svp_core.config.options import fill
from svp_core.cost.flops import count_flops, occasions
from svp_core.cost.measure import interleave
from svp_core.local.inferences.stacked import Stacked
from svp_core.local.moments import FIRST, STRIP, Moments
from svp_core.local.unit import LocalUnit

LDA = {"d0": 12, "shrinkage": 3.0, "interval": 4, "moments_interval": 2, "stack_interval": 4}


def given(generator: torch.Generator, width: int = 6, size: int = 10) -> tuple:
    """Return random v (size, width) in float64, and labels."""
    values = torch.randn(size, width, generator=generator, dtype=torch.float64)
    return values, torch.randint(0, 4, (size,), generator=generator)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_batch_stands_for_all_steps_until_the_next(parts):
    moments, expected = Moments(6, 4, 0.9, interval=3).double(), torch.zeros((), dtype=torch.double)
    generator = torch.Generator().manual_seed(0)
    for step in range(FIRST + 8):
        is_taken = step < FIRST or step % 3 == 0
        for _ in range(parts):
            values, labels = given(generator)
            assert moments.is_due(1 / parts) == is_taken
            moments.observe(values if is_taken else None, labels, 1 / parts)
            if step == 0 and moments.seen == 1:
                origin = values.mean(dim=0)
            kept = 0.9 ** ((1 if step < FIRST else 3) / parts)
            moved = values - origin
            if is_taken:
                expected = kept * expected + (1 - kept) * moved.T @ moved / len(values)
    torch.testing.assert_close(moments.whole(), expected)


def test_a_scatter_of_strips_is_that_of_all_rows():
    width, generator = 2 * STRIP + 44, torch.Generator().manual_seed(0)
    moments = Moments(width, 4, 0.9).double()
    values, labels = given(generator, width, 50)
    moments.observe(values, labels)
    assert moments.scatter.numel() < 0.7 * width**2
    moved = values - values.mean(dim=0)
    torch.testing.assert_close(moments.whole(), 0.1 * moved.T @ moved / 50)
    prior, means, within = moments.gaussians()
    classes = [values[labels == k] for k in range(4)]
    pooled = sum(len(one) * torch.cov(one.T, correction=0) for one in classes) / 50
    torch.testing.assert_close(within, pooled, atol=1e-4, rtol=1e-4)  # UNSEEN


def test_stacked_takes_in_few_batches_and_looks_at_no_other():
    rule = Stacked(12, 4, fill("methods", "local_lda", LDA))
    values, labels = given(torch.Generator().manual_seed(0), 12)
    for step in range(FIRST + 8):
        halves = [values.float()[:, :6], values.float()[:, 6:]]
        rule.observe(halves if rule.is_due(1) else [None, None], labels, 1)
        assert rule.is_due(1) == (step + 1 < FIRST or (step + 1) % 4 == 0)


def trained(steps: int, start: int = 0, **options):
    """Return a method after some steps from one behind the first ones, and its losses."""
    recipe = {"lr": 0.05, "micro_batches": 2}
    method = on_three_blocks("local_lda", method_options=LDA | options, **recipe).double()
    images, labels = batch(SHAPE)
    for step in range(3 + steps):
        if step == 3:  # moments know something
            method.go_to(start)
        method.step(images.double(), labels.roll(step))
    return method, method.drain()["unit_loss"]


def test_a_step_without_v_has_the_numbers_of_the_plain_one(monkeypatch):
    """At step 0 all is due, at 2 the moments, at 4 all, at others nothing."""
    (plain, expected), calls = trained(6, step="plain"), []
    project = LocalUnit.project
    monkeypatch.setattr(LocalUnit, "project", lambda *a: calls.append(1) or project(*a))
    fast, found = trained(6, step="fast")
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
    state = fast.state_dict()
    for name, value in plain.state_dict().items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(state[name], value, msg=name, rtol=1e-6, atol=1e-8)
    assert len(calls) == 3 * 2 * (3 + 3)  # units, parts, steps
    assert fast.rhythm() == [2, 4] and fast.readouts[0].moments.seen % 2 == 0


@pytest.mark.parametrize("start", range(1, 5))
def test_a_training_goes_on_between_two_solutions_with_the_same_numbers(start):
    whole, _ = trained(2, start)
    continued = on_three_blocks("local_lda", method_options=LDA, lr=0.05, micro_batches=2).double()
    continued.load_state(saved(whole))
    for method in (whole, continued):
        for turn in range(4):
            method.step(batch(SHAPE)[0].double(), batch(SHAPE)[1].roll(turn))
    pairs = zip(whole.state_dict().values(), continued.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_flops_are_the_mean_of_a_cycle_and_the_next_step_does_all():
    method = on_three_blocks("local_lda", method_options=LDA)
    counted = count_flops(method, *batch(SHAPE))
    assert all(one.is_due(1) for one in (*method.readouts, method.rules["stacked"]))
    assert not method.readouts[0].moments.seen % 4
    rows, classes, width, size, units, layers = 12, 10, 16, 8, 3, 64 * 16 + 2 * 16 * 16
    always = 2 * 2 * size * (layers + units * classes * width)  # logits, and their way back
    v = units * 2 * size * width * rows
    moments = units * 2 * size * rows * (rows + classes)
    solutions = units * 2 * classes * (rows * rows + rows * width)  # and readout times projection
    stacked = 2 * size * units * rows * (units * rows + classes)
    assert counted == always + (v + moments) / 2 + (solutions + stacked) / 4


def test_occasions_are_all_that_differ_and_their_shares_those_of_a_cycle():
    assert dict(occasions([])) == {0: 1.0}
    assert dict(occasions([4])) == {0: 0.25, 1: 0.75}
    found = dict(occasions([2, 3]))
    assert found == pytest.approx({0: 1 / 6, 1: 2 / 6, 2: 2 / 6, 3: 1 / 6})


def test_all_take_as_many_steps_together_as_the_longest_cycle_has():
    methods = [on_three_blocks("svp"), on_three_blocks("local_lda", method_options=LDA)]
    order = []
    for name, method in zip("ab", methods, strict=True):
        step = method.step
        method.step = lambda *a, name=name, step=step: order.append(name) or step(*a)
    takes = [method.step for method in methods]
    seconds = interleave(methods, takes, *batch(SHAPE), warm_up=1, steps=8)
    assert "".join(order) == "ab" + 2 * "aaaabbbb"
    assert [len(one) for one in seconds] == [2, 2]
    assert methods[1].readouts[0].moments.seen % 4 == 0
