"""Linear discriminant analysis from decayed moments, against closed forms and scikit-learn."""

import numpy as np
import pytest
import torch
from networks import SHAPE, batch, on_three_blocks, saved
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch.nn import functional as F

from svp_core.config.options import fill
from svp_core.local.moments import Moments
from svp_core.local.readouts import lda


def sample(size: int = 400, width: int = 6, classes: int = 4, spread: float = 1.5):
    """Gaussian classes of one covariance: v (size, width) in float64, labels."""
    generator = torch.Generator().manual_seed(0)
    means, mixing, noise = (
        torch.randn(n, width, generator=generator, dtype=torch.float64)
        for n in (classes, width, size)
    )
    labels = torch.randint(0, classes, (size,), generator=generator)
    return spread * means[labels] + noise @ mixing, labels


def seen(values, labels, classes: int = 4, momentum: float = 0.5) -> Moments:
    moments = Moments(values.shape[1], classes, momentum).to(values.dtype)
    moments.observe(values, labels)
    return moments


@pytest.mark.parametrize("shrinkage", [0.01, 0.3, 3.0])
def test_one_batch_gives_the_posteriors_of_scikit_learn(shrinkage):
    values, labels = sample()
    weight, bias = seen(values, labels).discriminant(shrinkage)
    found = F.linear(values, weight, bias).softmax(dim=1)
    # theirs mixes (1 - a) S + a mean(diag S) I: the same up to a factor 1 + shrinkage of S
    share = shrinkage / (1 + shrinkage)
    known = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=share)
    known.fit(values.numpy(), labels.numpy())
    logits = known.decision_function(values.numpy())
    priors = np.log(known.priors_)
    logits = (logits - priors) / (1 + shrinkage) + priors  # A = (1 + shrinkage) times theirs
    expected = torch.from_numpy(logits).softmax(dim=1)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


def test_its_posterior_is_bayes_rule_for_the_gaussians_it_stands_for():
    values, labels = sample()
    weight, bias = seen(values, labels).discriminant(0.2)
    within = sum(
        (labels == k).sum() / len(labels) * torch.cov(values[labels == k].T, correction=0)
        for k in range(4)
    )
    within += 0.2 * within.diagonal().mean() * torch.eye(6, dtype=torch.float64)
    scores = torch.stack(
        [
            torch.distributions.MultivariateNormal(
                values[labels == k].mean(dim=0), within
            ).log_prob(values)
            + (labels == k).double().mean().log()
            for k in range(4)
        ],
        dim=1,
    )
    found = F.linear(values, weight, bias).log_softmax(dim=1)
    torch.testing.assert_close(found, scores.log_softmax(dim=1), atol=2e-4, rtol=1e-4)


def test_moments_decay_a_step_and_a_step_in_parts_decays_once():
    values, labels = sample()
    whole, parts = Moments(6, 4, 0.9).double(), Moments(6, 4, 0.9).double()
    expected = torch.zeros(4, dtype=torch.float64)
    for start in range(0, 400, 100):
        chosen = slice(start, start + 100)
        whole.observe(values[chosen], labels[chosen])
        expected = 0.9 * expected + 0.1 * torch.bincount(labels[chosen], minlength=4) / 100
        for half in (slice(start, start + 50), slice(start + 50, start + 100)):
            parts.observe(values[half], labels[half], 0.5)
    torch.testing.assert_close(whole.count, expected)
    torch.testing.assert_close(parts.count.sum(), whole.count.sum())
    torch.testing.assert_close(parts.count, whole.count, atol=0.02, rtol=0.05)


def test_a_shift_of_v_changes_no_posterior():
    values, labels = sample()
    shift = 1000 * torch.ones(6)
    posteriors = []
    for one in (values.float(), values.float() + shift):
        weight, bias = seen(one, labels).discriminant(0.1)
        posteriors.append(F.linear(one - one.mean(dim=0), weight, bias + weight @ one.mean(dim=0)))
    torch.testing.assert_close(*posteriors, atol=0.02, rtol=0.02)


def test_float32_agrees_with_float64():
    values, labels = sample()
    exact, single = (seen(one, labels).discriminant(0.01) for one in (values, values.float()))
    logits = [F.linear(values, *(part.double() for part in one)) for one in (exact, single)]
    torch.testing.assert_close(*logits, atol=1e-3, rtol=1e-3)


def test_classes_that_no_image_was_seen_of_have_finite_and_small_posteriors():
    values, labels = sample()
    weight, bias = seen(values, labels, classes=9).discriminant(0.1)
    posterior = F.linear(values, weight, bias).log_softmax(dim=1)
    assert posterior.isfinite().all()
    assert posterior[:, 4:].max() < -5
    known, own = seen(values, labels).discriminant(0.1)
    expected = F.linear(values, known, own).log_softmax(dim=1)
    torch.testing.assert_close(posterior[:, :4], expected, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("kind", ["constant", "duplicated", "few"])
def test_a_singular_covariance_is_solved(kind):
    values, labels = sample()
    if kind == "constant":
        values = torch.ones_like(values)
    elif kind == "duplicated":
        values = torch.cat([values, values], dim=1)
    else:
        values, labels = values[:3], labels[:3]
    moments = Moments(values.shape[1], 4, 0.9)
    moments.observe(values.float(), labels)
    weight, bias = moments.discriminant(1e-3)
    assert weight.isfinite().all() and bias.isfinite().all()


def test_a_covariance_that_cannot_be_solved_is_no_silent_number():
    moments = seen(*sample())
    moments.scatter.neg_()
    assert moments.discriminant(1e-6)[0].isnan().all()


def test_a_thousand_classes_are_told_apart_after_they_were_seen():
    generator = torch.Generator().manual_seed(0)
    codes, moments = torch.randn(1000, 64, generator=generator), Moments(64, 1000, 0.999)
    for _ in range(40):
        labels = torch.randint(0, 1000, (128,), generator=generator)
        values = codes[labels] + 0.1 * torch.randn(128, 64, generator=generator)
        moments.observe(values, labels)
        weight, bias = moments.discriminant(0.1)
        logits = F.linear(values, weight, bias)
        assert logits.isfinite().all()
    assert (logits.argmax(dim=1) == labels).float().mean() > 0.9


def test_it_is_solved_at_first_always_and_later_at_intervals(monkeypatch):
    solved = []
    monkeypatch.setattr(
        Moments, "discriminant", lambda self, _: solved.append(self.seen) or (torch.zeros(()),) * 2
    )
    options = fill("methods", "svp", {"readout": "lda", "interval": 5, "d0": 6})
    readout = lda.LDA(6, 4, options)
    values, labels = sample(size=8)
    for _ in range(40):
        readout.observe(values.float(), labels, 1.0)
    assert solved == [*range(1, 21), 21, 26, 31, 36]
    solved.clear()
    halves = lda.LDA(6, 4, options)
    for _ in range(80):
        halves.observe(values.float(), labels, 0.5)
    assert solved == [*range(1, 41, 2), 41, 51, 61, 71]  # at the first part of a step


LDA = {"readout": "lda", "d0": 12, "alignment": "none"}
LDA |= {"interval": 2, "momentum": 0.99, "shrinkage": 0.1}


def test_a_unit_is_read_by_moments_that_know_the_batch_and_is_trained_as_if_they_were_constants():
    method = on_three_blocks(method_options=LDA, lr=0.1, momentum=0.0)
    images, labels = batch(SHAPE)
    unit = method.units[0]
    weights = list(unit.parameters())
    projected = unit(images)[2]
    moments = Moments(12, 10, 0.99)
    moments.observe(projected, labels)
    logits = F.linear(projected, *moments.discriminant(0.1))
    gradients = torch.autograd.grad(F.cross_entropy(logits, labels), weights)
    before = [one.detach().clone() for one in weights]
    method.step(images, labels)
    for old, new, gradient in zip(before, weights, gradients, strict=True):
        torch.testing.assert_close(new.detach(), old - 0.1 * gradient, atol=1e-6, rtol=1e-4)
        assert gradient.abs().max() > 0


@pytest.mark.parametrize("inference", ["last", "mean", "stacked"])
def test_its_state_survives_a_checkpoint(inference):
    settings = {"method_options": LDA | {"inference": inference}}
    whole, continued = on_three_blocks(**settings), on_three_blocks(**settings)
    for _ in range(3):
        whole.step(*batch(SHAPE))
    continued.load_state(saved(whole))
    for method in (whole, continued):
        method.step(*batch(SHAPE))
        method.eval()
    expected, found = (one.predict(batch(SHAPE)[0]) for one in (whole, continued))
    assert torch.equal(expected.network, found.network)
    assert all(map(torch.equal, expected.units, found.units))


def test_moments_stay_in_float32_in_mixed_precision():
    method = on_three_blocks(method_options=LDA | {"inference": "stacked"}, precision="bfloat16")
    for _ in range(3):
        method.step(*batch(SHAPE))
    moments = method.readouts[0].moments
    assert moments.scatter.dtype == torch.float32 and moments.scatter.abs().max() > 0
    assert method.eval().predict(batch(SHAPE)[0]).network.isfinite().all()


def test_stacked_knows_nothing_before_a_step_and_what_was_loaded_after():
    methods = [on_three_blocks(method_options=LDA | {"inference": "stacked"}) for _ in range(2)]
    images, labels = batch(SHAPE)
    before = methods[0].eval().predict(images).network
    torch.testing.assert_close(before, torch.full((8, 10), 0.1).log())
    for method, size in zip(methods, (8, 6), strict=True):
        method.train().step(images[:size], labels[:size])
        method.eval().predict(images)  # solved, and kept
    methods[1].load_state(saved(methods[0]))  # which has seen as many steps
    found, expected = (one.eval().predict(images).network for one in methods)
    assert torch.equal(found, expected)


def test_stacked_is_the_discriminant_of_all_units_together():
    method = on_three_blocks(method_options=LDA | {"inference": "stacked", "stack_shrinkage": 0.2})
    images, labels = batch(SHAPE)
    readings = method.sweep(images)  # before the step: SVP reads a unit before it updates it
    joint = torch.cat([one.projected.detach() for one in readings], dim=1)
    method.step(images, labels)
    weight, bias = seen(joint, labels, classes=10).discriminant(0.2)
    after = torch.cat([one.projected for one in method.eval().sweep(images)], dim=1)
    expected = F.linear(after, weight, bias).log_softmax(dim=1)
    torch.testing.assert_close(method.predict(images).network, expected, atol=1e-3, rtol=1e-3)


def test_other_rules_are_predicted_beside_the_chosen_one():
    method = on_three_blocks(method_options=LDA | {"inference": "stacked"})
    method.step(*batch(SHAPE))
    found = method.eval().predict(batch(SHAPE)[0])
    assert list(found.rules) == ["last", "mean", "stacked"]
    assert found.network is found.rules["stacked"]
    assert torch.equal(found.rules["last"], found.units[-1])
    for rule in found.rules.values():
        torch.testing.assert_close(rule.exp().sum(dim=1), torch.ones(8))
