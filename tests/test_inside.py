"""Metrics of units' activations, on cases where the answer is known."""

import numpy as np
import pytest
import torch
from networks import SHAPE, batch, on_three_blocks
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler

from svp_core import metrics
from svp_core.data.loading import ResidentImages, subset
from svp_core.datasets import Split, facts
from svp_core.methods import Layer, Predictions
from svp_core.metrics import (
    agreement,
    effective_rank,
    elbo,
    gradient_cosine,
    neural_collapse,
    participation_ratio,
    probe,
    weights,
)
from svp_core.training import evaluation

RANKS = [effective_rank, participation_ratio]
NOBODY = torch.zeros(1)
PIXELS = np.random.default_rng(0).integers(0, 17, (100, *SHAPE), dtype=np.uint8)
SPLIT = Split(PIXELS, np.arange(100) // 10)  # sorted by class


def orthogonal(count: int = 40, width: int = 8) -> torch.Tensor:
    """Centred features (N, d) of equal variance along d axes."""
    generator = torch.Generator().manual_seed(0)
    found = torch.randn(count, width, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(found - found.mean(dim=0))[0]


@pytest.mark.parametrize("metric", RANKS)
@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_a_rank_is_one_on_a_line_and_d_for_equal_directions(metric, shift):
    line = torch.linspace(-1, 1, 40)[:, None] @ torch.randn(1, 8) + shift
    assert metric.of_features(line.double(), NOBODY) == pytest.approx(1, abs=1e-4)
    assert metric.of_features(orthogonal() + shift, NOBODY) == pytest.approx(8)
    assert metric.of_features(torch.full((40, 8), shift), NOBODY) == 0


def test_ranks_are_those_of_the_singular_values():
    size = torch.tensor([4.0, 2.0, 1.0, 1.0], dtype=torch.float64)
    features = orthogonal(40, 4) * size
    part = size.numpy() / size.sum().item()
    expected = np.exp(-(part * np.log(part)).sum())
    assert effective_rank.of_features(features, NOBODY) == pytest.approx(expected)
    # more features than images: the same spectrum
    wide = features @ torch.linalg.qr(torch.randn(100, 4, dtype=torch.float64))[0].T
    assert effective_rank.of_features(wide, NOBODY) == pytest.approx(expected, rel=1e-5)
    expected = (size**2).sum().item() ** 2 / (size**4).sum().item()
    assert participation_ratio.of_features(wide, NOBODY) == pytest.approx(expected)


def test_the_probe_is_ridge_regression_without_the_image_it_scores():
    x, y = (part[:80] for part in load_digits(return_X_y=True))
    scaled = StandardScaler().fit_transform(x)
    right = []
    for one in range(len(y)):
        others = np.arange(len(y)) != one
        fitted = RidgeClassifier(alpha=probe.RIDGE).fit(scaled[others], y[others])
        right.append(fitted.predict(scaled[[one]])[0] == y[one])
    found = probe.of_features(torch.tensor(x), torch.tensor(y))
    assert found == pytest.approx(100 * np.mean(right)) and 50 < found < 100


def collapsed(classes: int = 4, each: int = 5) -> tuple[Layer, torch.Tensor]:
    """A layer at a simplex, read by its class means, and its labels."""
    simplex = torch.eye(classes, dtype=torch.float64) - 1 / classes
    labels = torch.arange(classes).repeat_interleave(each)
    features = simplex[labels] + 3  # not centred
    logits = 10 * features @ simplex.T
    return Layer(features, posterior=logits.log_softmax(dim=1), weight=2 * simplex + 1), labels


def test_all_four_are_zero_at_a_simplex():
    found = neural_collapse.of_layer(*collapsed(), classes=4)
    assert set(found) == {"nc1", "nc2", "nc3", "nc4"}
    assert found == pytest.approx(dict.fromkeys(found, 0), abs=1e-9)


def test_each_of_the_four_notices_its_own_deviation():
    layer, labels = collapsed()
    noise = 0.1 * torch.randn(layer.features.shape, dtype=torch.float64)
    for label in range(4):
        noise[labels == label] -= noise[labels == label].mean(dim=0)  # means stay
    noisy = neural_collapse.of_layer(layer._replace(features=layer.features + noise), labels, 4)
    means = torch.eye(4, dtype=torch.float64) - 0.25
    inverse = torch.linalg.pinv(means.T @ means / 4)
    expected = torch.trace(noise.T @ noise / 20 @ inverse).item() / 4
    assert noisy["nc1"] == pytest.approx(expected) and noisy["nc2"] == pytest.approx(0, abs=1e-9)
    stretched = layer.features * torch.tensor([3.0, 1, 1, 1])
    assert neural_collapse.of_layer(layer._replace(features=stretched), labels, 4)["nc2"] > 0.1
    # opposite directions: |W/|W| - M/|M||^2 = 4
    turned = neural_collapse.of_layer(layer._replace(weight=-layer.weight), labels, 4)
    assert turned["nc3"] == pytest.approx(4)
    wrong = neural_collapse.of_layer(
        layer._replace(posterior=layer.posterior.roll(1, dims=1)), labels, 4
    )
    assert wrong["nc4"] == 100


def test_a_class_without_images_and_a_unit_that_is_not_read_take_no_part():
    layer, labels = collapsed()
    wider = torch.cat([layer.posterior, torch.full((20, 1), -50.0)], dim=1)
    weight = torch.cat([layer.weight, torch.ones(1, 4)])
    found = neural_collapse.of_layer(layer._replace(posterior=wider, weight=weight), labels, 5)
    assert found == pytest.approx(dict.fromkeys(found, 0), abs=1e-9)
    bare = neural_collapse.of_layer(Layer(layer.features), labels, 4)
    assert bare["nc3"] is None and bare["nc4"] is None


def test_neighbours_agree_with_themselves_and_not_with_the_opposite():
    q = torch.tensor([[0.9, 0.1], [0.2, 0.8]]).log()
    assert agreement.agreement(q, q) == 100 and agreement.agreement(q, q.flip(1)) == 0
    assert agreement.bhattacharyya(q, q) == pytest.approx(0, abs=1e-7)
    expected = -np.log([2 * 0.3, 2 * 0.4]).mean()
    assert agreement.bhattacharyya(q, q.flip(1)) == pytest.approx(expected, rel=1e-6)


def inside_of(method, images, labels) -> metrics.Inside:
    method.eval()
    with torch.no_grad():
        layers, predictions = method.layers(images), method.predict(images)
    return metrics.Inside(method, layers, predictions, images, labels)


def test_the_first_unit_has_no_neighbour_and_one_prediction_has_none():
    images, labels = batch(SHAPE, 20)
    found = agreement.of_layers(inside_of(on_three_blocks("svp"), images, labels))
    assert [one is None for one in found["unit_agreement"]] == [True, False, False]
    assert agreement.of_layers(inside_of(on_three_blocks("bp"), images, labels)) == {}


def test_bounds_are_below_the_mean_rule_and_violations_are_counted():
    log_q = torch.tensor([[0.9, 0.1], [0.6, 0.4]]).log()
    layers = [Layer(log_q, posterior=log_q, divergence=torch.tensor([0.0, 0.1]))] * 2
    labels = torch.tensor([0, 0])
    network = torch.tensor([[0.5, 0.5], [0.9, 0.1]]).log()  # below the bound of the first image
    predictions = Predictions([], network, {"mean": log_q})
    found = elbo.of_layers(metrics.Inside(None, layers, predictions, None, labels))
    bounds = np.log([0.9, 0.6]) - [0, 0.1]
    assert found["unit_elbo"] == pytest.approx([bounds.mean()] * 2)
    assert found["elbo"] == pytest.approx(bounds.mean())
    assert found["log_likelihood"] == pytest.approx(np.log([0.5, 0.9]).mean())
    assert found["elbo_violations"] == 50 and found["elbo_violations_mean"] == 0


@pytest.mark.parametrize("alignment", ["gaussian_kl", "feature_kl", "kl", "bhattacharyya", "none"])
def test_the_divergence_of_images_has_the_mean_of_the_batch(alignment):
    images, labels = batch(SHAPE, 20)
    method = on_three_blocks("svp", method_options={"alignment": alignment})
    found = inside_of(method, images, labels)
    readings = method.sweep(images)
    for index, (one, before) in enumerate(zip(readings[1:], readings, strict=False), 1):
        whole = method.local_loss(one, before, labels, index) - method.loss(one.logits, labels)
        assert found.layers[index].divergence.shape == (20,)
        assert found.layers[index].divergence.mean().item() == pytest.approx(whole.item(), abs=1e-5)
    assert found.layers[0].divergence.abs().max() == 0
    values = elbo.of_layers(found)
    assert values["elbo_violations_mean"] == 0 and values["elbo"] < 0


READOUTS = ["identity", "codebook", "private", "shared", "lda"]


@pytest.mark.parametrize("readout", READOUTS)
def test_logits_are_the_weight_times_the_features_but_for_a_constant(readout):
    images, labels = batch(SHAPE, 20)
    method = on_three_blocks("svp", method_options={"readout": readout, "scale": 2.0})
    method.step(images, labels)
    for layer in inside_of(method, images, labels).layers:
        rest = layer.posterior - layer.features @ layer.weight.T
        rest = rest - rest.mean(dim=1, keepdim=True)  # but for log-normalisers
        assert torch.allclose(rest, rest[:1].expand_as(rest), atol=1e-4)


def test_units_of_all_blocks_follow_the_gradient_of_backpropagation():
    images, labels = batch(SHAPE, 20)
    whole = on_three_blocks("svp", method_options={"blocks": 3, "alignment": "none"})
    (cosine,) = gradient_cosine.of_layers(inside_of(whole, images, labels)).values()
    assert cosine == pytest.approx([1])
    apart = on_three_blocks("svp", method_options={"alignment": "none"})
    (cosines,) = gradient_cosine.of_layers(inside_of(apart, images, labels)).values()
    assert cosines[-1] == pytest.approx(1) and max(map(abs, cosines[:-1])) < 0.99
    assert gradient_cosine.of_layers(inside_of(on_three_blocks("bp"), images, labels)) == {}


@pytest.mark.parametrize("overlap", [0, 1, 2])
def test_a_local_gradient_is_what_a_step_follows(overlap):
    """Against a step of plain descent at rate 1, whose change of the weights is the gradient."""
    images, labels = batch(SHAPE, 20)
    options = {"overlap": overlap} | ({"own_weight": 0.5} if overlap else {})
    settings = {"lr": 1.0, "momentum": 0.0, "update": "after"}
    options["update"] = settings.pop("update")
    method = on_three_blocks("svp", method_options=options, **settings)
    local = [own for own, _ in method.gradients(images, labels)]
    before = [flat(blocks) for blocks in method.layer_blocks()]
    method.set_learning_rate(1.0)
    method.step(images, labels)
    for one, old, blocks in zip(local, before, method.layer_blocks(), strict=True):
        assert torch.allclose(old - flat(blocks), one, atol=1e-6) and one.abs().max() > 1e-4


def flat(blocks) -> torch.Tensor:
    return torch.cat([one.detach().flatten() for one in blocks.parameters()])


@pytest.mark.parametrize("name", ["bp", "svp", "predsim", "local_lda"])
def test_looking_changes_nothing(name):
    images, labels = batch(SHAPE, 20)
    method = on_three_blocks(name)
    method.step(images, labels)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    inside = inside_of(method, images, labels)
    for metric in (agreement, elbo, gradient_cosine, neural_collapse, weights):
        metric.of_layers(inside)
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    assert all(one.grad is None for one in method.parameters())
    assert not any(module.training for module in method.modules())


def test_activations_that_are_not_finite_are_not_measured():
    images = ResidentImages(SPLIT, facts("digits"), torch.device("cpu"))
    method = on_three_blocks("svp")
    names = ["probe", "effective_rank", "neural_collapse", "gradient_cosine", "elbo", "weights"]
    assert len(evaluation.look_inside(method, images, names)["metrics"]) > 10
    with torch.no_grad():
        method.units[0].blocks[0][1].weight.fill_(torch.nan)
    assert evaluation.look_inside(method, images, names)["metrics"] == {}


def test_a_subset_has_every_class_in_proportion_and_is_always_the_same():
    images = ResidentImages(SPLIT, facts("digits"), torch.device("cpu"))
    part = subset(images, 50)
    assert len(part) == 50 and torch.bincount(part.labels).tolist() == [5] * 10
    assert torch.equal(part.images, subset(images, 50).images) and len(images) == 100
    assert len(subset(images, 1000)) == 100


def test_weights_are_described_by_moments_and_quantiles_without_biases():
    block = torch.nn.Sequential(torch.nn.Linear(100, 100))
    torch.nn.init.normal_(block[0].weight, std=0.5)
    torch.nn.init.constant_(block[0].bias, 1e6)
    found = weights.of_blocks(block)
    assert found["std"] == pytest.approx(0.5, rel=0.05) and abs(found["mean"]) < 0.02
    assert abs(found["kurtosis"]) < 0.2 and found["q50"] == pytest.approx(0, abs=0.02)
    assert found["q95"] == pytest.approx(0.5 * 1.645, rel=0.05)
    assert set(weights.of_blocks(torch.nn.ReLU()).values()) == {None}
