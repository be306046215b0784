"""Closed-form readouts beside lda: OAS shrinkage, class covariances, angles."""

import numpy as np
import pytest
import torch
from networks import SHAPE, batch, on_three_blocks, saved
from sklearn.covariance import OAS
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from torch.nn import functional as F

from svp_core.config import resolve
from svp_core.config.options import fill
from svp_core.config.pairs import ConfigError
from svp_core.cost.flops import count_flops
from svp_core.cost.memory import measure_step
from svp_core.local import load
from svp_core.local.moments import Moments
from svp_core.task import Task
from workflow.studies import variant_name

WIDTH, CLASSES = 6, 4


def sample(size: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Classes of their own means and covariances: v (size, 6) in float64, labels."""
    generator = torch.Generator().manual_seed(0)
    means, mixing, noise = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((CLASSES, WIDTH), (CLASSES, WIDTH, WIDTH), (size, WIDTH))
    )
    labels = torch.arange(size) % CLASSES
    return 3 + 1.5 * means[labels] + torch.einsum("bd,bde->be", noise, mixing[labels]), labels


def solved(readout: str, values, labels, classes: int = CLASSES, **options):
    """A readout in float64 that was shown one batch."""
    filled = fill("methods", "svp", {"readout": readout, "d0": WIDTH, **options})
    task = Task((1, 1, WIDTH), classes, 1000)
    (made,) = load("readouts", readout).build([WIDTH], task, filled, 0)
    made.double().observe(values, labels, 1.0)
    return made


def class_means(values, labels) -> torch.Tensor:
    return torch.stack([values[labels == k].mean(dim=0) for k in range(CLASSES)])


def within(values, labels) -> torch.Tensor:
    rest = values - class_means(values, labels)[labels]
    return rest.T @ rest / len(rest)


@pytest.mark.parametrize("size", [12, 60, 400])
def test_oas_is_that_of_scikit_learn(size):
    values, labels = sample(size)
    means = class_means(values, labels)
    known = OAS(assume_centered=True).fit((values - means[labels]).numpy())
    assert 0 < known.shrinkage_ < 1
    weight = torch.linalg.solve(torch.from_numpy(known.covariance_), means.T).T
    expected = F.linear(values, weight, -(weight * means).sum(dim=1) / 2).log_softmax(dim=1)
    found = solved("lda", values, labels, shrinkage="oas")(values).log_softmax(dim=1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_old_images_of_decayed_moments_count_less():
    values, labels = sample(64)
    moments, parts = (Moments(WIDTH, CLASSES, momentum=0.9) for _ in range(2))
    for count in range(1, 61):
        moments.observe(values.float(), labels)
        for half in (slice(32), slice(32, 64)):
            parts.observe(values[half].float(), labels[half], 0.5)
        weights = 0.9 ** torch.arange(count).repeat_interleave(64)
        expected = (weights.sum() ** 2 / weights.square().sum()).item()
        assert moments.images.item() == pytest.approx(expected, rel=1e-4)
        assert parts.images.item() == pytest.approx(expected, rel=1e-2)


class Mixed:
    """An estimator as scikit-learn takes one, that mixes and shrinks a covariance as qda does."""

    def __init__(self, one: np.ndarray, common: float, shrinkage: float):
        self.one, self.common, self.shrinkage = one, common, shrinkage

    def get_params(self, deep=True):
        return vars(self)

    def fit(self, values):
        mixed = self.common * self.one + (1 - self.common) * np.cov(values.T, bias=True)
        level = self.shrinkage * np.trace(mixed) / len(mixed)
        self.covariance_ = mixed + level * np.eye(len(mixed))
        return self


@pytest.mark.parametrize(("common", "shrinkage"), [(0.0, 0.01), (0.5, 0.3)])
def test_qda_is_that_of_scikit_learn(common, shrinkage):
    values, labels = sample()
    readout = solved("qda", values, labels, common=common, shrinkage=shrinkage)
    mixed = Mixed(within(values, labels).numpy(), common, shrinkage)
    known = QuadraticDiscriminantAnalysis(solver="eigen", covariance_estimator=mixed)
    known.fit(values.numpy(), labels.numpy())
    expected = torch.from_numpy(known.decision_function(values.numpy())).log_softmax(dim=1)
    torch.testing.assert_close(readout(values).log_softmax(dim=1), expected, atol=1e-3, rtol=1e-3)


def test_qda_of_one_covariance_is_lda():
    values, labels = sample()
    found = solved("qda", values, labels, common=1 - 1e-12)(values).log_softmax(dim=1)
    expected = solved("lda", values, labels)(values).log_softmax(dim=1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_cosine_is_the_angle_to_class_means_in_whitened_space():
    values, labels = sample()
    readout = solved("cosine", values, labels, shrinkage=0.2, concentration=7.0)
    covariance = within(values, labels)
    covariance += 0.2 * covariance.diagonal().mean() * torch.eye(WIDTH)
    spectrum, basis = torch.linalg.eigh(covariance)
    white = basis * spectrum.rsqrt()  # differs from L^-1' by a rotation, which keeps angles
    mean = values.mean(dim=0)
    means = F.normalize((class_means(values, labels) - mean) @ white, dim=1)
    angles = F.normalize((values - mean) @ white, dim=1) @ means.T
    priors = torch.bincount(labels) / len(labels)
    torch.testing.assert_close(readout(values), 7 * angles + priors.log(), atol=1e-3, rtol=1e-3)


def test_cosine_is_bounded_and_knows_no_unit_of_v():
    values, labels = sample()
    found = solved("cosine", values, labels, concentration=5.0)
    assert (found(1000 * values) - found.bias).abs().max() <= 5
    scaled = solved("cosine", 50 * values - 20, labels, concentration=5.0)
    torch.testing.assert_close(scaled(50 * values - 20), found(values), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("readout", ["qda", "cosine"])
def test_absent_classes_and_singular_covariances_give_finite_logits(readout):
    values, labels = sample(8)  # rank 4 within classes
    found = solved(readout, values, labels, classes=9, shrinkage=1e-3)(values)
    assert found.isfinite().all() and found.softmax(dim=1)[:, CLASSES:].max() < 0.01
    constant = solved(readout, torch.ones_like(values), labels, shrinkage=1e-3)
    assert constant(torch.ones_like(values)).isfinite().all()


def test_warmup_gathers_moments_and_trains_nothing():
    options = {"readout": "lda", "alignment": "none", "d0": 12, "warmup": 3}
    method = on_three_blocks(method_options=options, lr=0.1)
    before = [one.detach().clone() for one in method.parameters()]
    for _ in range(3):
        method.step(*batch(SHAPE))
    assert all(map(torch.equal, before, method.parameters()))
    assert all(one.moments.seen == 3 for one in method.readouts)
    method.step(*batch(SHAPE))
    assert not any(map(torch.equal, before[::2], list(method.parameters())[::2]))


OPTIONS = [
    {"readout": "lda", "shrinkage": "oas"},
    {"readout": "qda", "shrinkage": 3.0},
    {"readout": "cosine"},
    {"readout": "lda", "target": "posterior"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda one: "_".join(map(str, one.values())))
@pytest.mark.parametrize("recipe", [{"micro_batches": 2}, {"precision": "bfloat16"}])
def test_states_continue_with_the_same_numbers(options, recipe):
    given = {"method_options": {"d0": 12, "alignment": "none", **options}, **recipe}
    whole, continued = (on_three_blocks(**given) for _ in range(2))
    for _ in range(2):
        whole.step(*batch(SHAPE))
    continued.load_state(saved(whole))
    for method in (whole, continued):
        method.step(*batch(SHAPE))
    pairs = zip(whole.state_dict().values(), continued.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) and one.isfinite().all() for one, other in pairs)


def test_class_covariances_are_counted_in_memory_and_flops():
    rows, classes, images, units = 12, 10, 8, 3
    given = {"d0": rows, "alignment": "none", "step": "plain", "interval": 1, "moments_interval": 1}
    made = [on_three_blocks(method_options=given | {"readout": name}) for name in ("lda", "qda")]
    one, other = (measure_step(method, *batch(SHAPE))["buffers"] for method in made)
    # scatter and whitening of every class, centres; lda has its weights
    assert other - one == 4 * units * 2 * classes * rows**2
    one, other = (count_flops(method, *batch(SHAPE)) for method in made)
    a_class = 3 * 2 * images * rows**2  # scatter, whitened v, and its gradient
    linear = 2 * 2 * images * rows * classes
    centres = 2 * classes * rows**2
    assert other - one == units * (classes * a_class - linear + centres)


def test_oas_of_class_covariances_is_refused():
    run = {"dataset": "digits", "model": "mlp", "method": "svp", "seed": 0}
    given = {"readout": "qda", "d0": 12, "shrinkage": "oas"}
    with pytest.raises(ConfigError, match=r"^method_options\.shrinkage: oas is of one covariance"):
        resolve(run | {"method_options": given})
    with pytest.raises(ConfigError, match=r"shrinkage: 'lw' does not match '\^oas\$'"):
        resolve(run | {"method_options": given | {"readout": "lda", "shrinkage": "lw"}})


def test_a_number_or_a_word_names_a_variant():
    run = {"model": "mlp", "model_options": {}, "method": "local_lda", "recipe": {}}
    names = []
    for value in (1, 1.0, "oas"):
        cell = {"shrinkage": value}
        names.append(variant_name(run | {"method_options": cell}, cell))
    assert names == ["shrinkage-1.0", "shrinkage-1.0", "shrinkage-oas"]
