"""Stochastic neurons against sums over all their states, and what units with them read."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from networks import SHAPE, batch, on_three_blocks
from test_interruption import interrupt
from test_training import run, without_times

from svp_core import local, neurons
from svp_core.config import resolve
from svp_core.config.pairs import ConfigError
from svp_core.local.bernoulli import draw, mean

DRAWS = 3000


@pytest.fixture(scope="module")
def layer():
    """What neurons are given, and the losses of what is read of them."""
    torch.manual_seed(0)
    features = torch.randn(3, 4, dtype=torch.float64)
    projection, labels = torch.randn(3, 4, dtype=torch.float64), torch.tensor([0, 1, 2])
    return features, partial(neurons.read_losses, projection=2 * projection, labels=labels)


def built(name: str, **options):
    return local.load("neurons", name).build(SimpleNamespace(**options)).train()


def gradients(layer, name: str, **options) -> torch.Tensor:
    features, losses = layer
    torch.manual_seed(1)
    return neurons.sampled(features, losses, built(name, **options), DRAWS)


def is_unbiased(found: torch.Tensor, exact: torch.Tensor) -> bool:
    error = (found.var(dim=0).sum() / len(found)).sqrt()
    return bool((found.mean(dim=0) - exact).norm() < 1.6 * error)


def test_the_sum_over_all_states_is_the_gradient_of_the_expected_loss(layer):
    features, losses = layer
    exact = neurons.enumerated(features, losses)
    step = torch.zeros_like(features)
    step[1, 2] = 1e-4

    def expected(given):
        states = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 4)
        chances = torch.sigmoid(states[:, None] * given).prod(dim=2)
        return (chances * losses(states[:, None].expand(-1, 3, -1))).sum(dim=0).mean()

    slope = (expected(features + step) - expected(features - step)) / 2e-4
    assert exact.view(3, 4)[1, 2].item() == pytest.approx(slope.item(), rel=1e-5)


@pytest.mark.parametrize("baseline", ["none", "leave_one_out"])
def test_reinforce_has_no_bias(layer, baseline):
    found = gradients(layer, "bernoulli_reinforce", score_baseline=baseline)
    assert is_unbiased(found, neurons.enumerated(*layer))


def test_a_baseline_takes_variance_from_reinforce(layer):
    with_it, without = (
        gradients(layer, "bernoulli_reinforce", score_baseline=name).var(dim=0).sum()
        for name in ("leave_one_out", "none")
    )
    assert with_it < without


def test_straight_through_has_less_variance_and_a_bias(layer):
    exact = neurons.enumerated(*layer)
    found = gradients(layer, "bernoulli_st", slope="mean")
    other = gradients(layer, "bernoulli_reinforce", score_baseline="leave_one_out")
    assert found.var(dim=0).sum() < other.var(dim=0).sum()
    assert not is_unbiased(found, exact)


def test_straight_through_is_exact_on_average_where_the_loss_is_linear(layer):
    features, _ = layer
    weights = torch.randn(3, 4, dtype=torch.float64)

    def losses(read):
        return (read * weights).sum(dim=-1)

    exact = neurons.enumerated(features, losses)
    torch.manual_seed(1)
    found = neurons.sampled(features, losses, built("bernoulli_st", slope="mean"), 2)
    torch.testing.assert_close(found[0], exact)  # whatever is drawn


def test_gaussian_noise_has_no_bias(layer):
    features, _ = layer
    losses = partial(neurons.class_losses, labels=torch.tensor([0, 1, 2]))
    projection = torch.randn(3, 4, dtype=torch.float64)
    exact = neurons.integrated(features, projection, losses, 1.0)
    torch.manual_seed(1)
    assert is_unbiased(neurons.noisy(features, projection, losses, 1.0, DRAWS), exact)


def test_draws_have_the_mean_that_is_read_elsewhere():
    features = torch.tensor([[-3.0, -0.5, 0.0, 2.0]])
    torch.manual_seed(0)
    found = torch.cat([draw(features) for _ in range(4000)])
    assert set(found.unique().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(found.mean(dim=0), mean(features)[0], atol=0.06, rtol=0)
    for name, options in {"bernoulli_st": "slope", "bernoulli_reinforce": "score_baseline"}.items():
        still = built(name, **{options: "mean"}).eval()
        assert torch.equal(still(features), mean(features))


@pytest.mark.parametrize("name", ["bernoulli_st", "bernoulli_reinforce"])
def test_units_learn_with_them(name):
    options = {"neurons": name, "scale": 2.0, "alignment": "none"}
    recipe = {"optimizer": "adamw", "lr": 0.01}
    method = on_three_blocks(method_options=options, **recipe)
    images, labels = batch(SHAPE)
    torch.manual_seed(0)

    def losses() -> torch.Tensor:
        units = method.eval().predict(images).units
        return torch.stack([torch.nn.functional.nll_loss(unit, labels) for unit in units])

    before = losses()
    for _ in range(150):
        method.train().step(images, labels)
    assert (losses() < before).all()
    assert set(method.train().features(images)[0].unique().tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("alignment", ["gaussian_kl", "none"])
def test_the_score_follows_the_loss_of_every_image(alignment):
    options = {"neurons": "bernoulli_reinforce", "alignment": alignment, "score_baseline": "none"}
    method = on_three_blocks(method_options=options).train()
    images, labels = batch(SHAPE)
    seen = []
    unit = method.units[1].neurons
    original = unit.score
    unit.score = lambda losses: seen.append(losses) or original(losses)
    method.step(images, labels)
    assert seen[0].shape == (8,)
    assert seen[0].mean().item() == pytest.approx(method.drain()["unit_loss"][1].item(), rel=1e-5)


def test_a_training_with_them_is_resumed_to_the_last_bit(tmp_path):
    settings = ["dataset=digits", "model=mlp", "method=svp", "seed=3", "recipe.epochs=2"]
    settings += ["model_options.width=16", "model_options.depth=2", "recipe.train_images=256"]
    settings += ["method_options.neurons=bernoulli_reinforce"]
    whole = run(tmp_path, settings, "whole")
    (tmp_path / "left").mkdir()
    interrupt(tmp_path / "left", settings, 6)
    again = run(tmp_path / "left", settings)
    assert without_times(again)["curves"] == without_times(whole)["curves"]


def test_a_divergence_of_a_whole_batch_is_refused():
    given = {"dataset": "digits", "model": "mlp", "method": "svp", "seed": 0}
    options = {"neurons": "bernoulli_reinforce", "alignment": "reconstruction"}
    with pytest.raises(ConfigError, match="neurons: bernoulli_reinforce needs losses of images"):
        resolve(given | {"method_options": options})
