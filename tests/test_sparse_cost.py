"""Scores of weights against sampled ones, and what sparse networks take, counted."""

from math import pi

import pytest
import torch
from networks import SHAPE, batch, build, build_method
from test_ssvi import OFTEN, SIZES, on
from torch._subclasses.fake_tensor import FakeTensorMode

from svp_core.bayes import counting
from svp_core.bayes.criteria import CRITERIA, exp_mean_abs, mean_abs, score
from svp_core.bayes.layers import layers_of
from svp_core.cost.flops import count_flops
from svp_core.cost.memory import measure_step
from svp_core.metrics import Inside, compression, nll, robustness

LEVEL = "SNR_exp_mean_abs"  # the one that does not rank like |mu|


@pytest.mark.parametrize("name", [name for name in CRITERIA if name != LEVEL])
def test_almost_certain_weights_are_ranked_by_their_size(name):
    mu = torch.tensor([0.3, -0.01, 0.02, -0.5, 0.05, 0.0011, -0.0009])
    found = score(name, mu, torch.full_like(mu, 1e-5))
    assert torch.equal(found.argsort(), mu.abs().argsort())


def test_one_criterion_sees_no_size_in_almost_certain_weights():
    """exp |w| is log-normal far from 0, and spreads less at 0, by the spread of a half-normal."""
    mu, sigma = torch.tensor([0.3, -0.01, 0.5, 0.05, 0.0]), 1e-3
    found = score(LEVEL, mu, torch.full_like(mu, sigma)) * sigma
    expected = torch.tensor([1.0, 1.0, 1.0, 1.0, (1 - 2 / pi) ** -0.5]).double()
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=0)


def test_scores_are_the_moments_of_sampled_weights():
    mu, sigma = torch.tensor([0.0, -0.4, 0.7]).double(), torch.tensor([0.3, 0.5, 0.2]).double()
    torch.manual_seed(0)
    size = (mu + sigma * torch.randn(400_000, 3).double()).abs()
    expected = {
        "mean": mu.abs(),
        "snr": mu.abs() / sigma,
        "E_mean_abs": size.mean(dim=0),
        "SNR_mean_abs": size.mean(dim=0) / size.std(dim=0),
        "E_exp_mean_abs": size.exp().mean(dim=0),
        "SNR_exp_mean_abs": size.exp().mean(dim=0) / size.exp().std(dim=0),
    }
    assert expected.keys() == CRITERIA.keys()
    for name, value in expected.items():
        torch.testing.assert_close(score(name, mu, sigma), value, rtol=0.01, atol=0, msg=name)
    assert mean_abs(mu, sigma).dtype == exp_mean_abs(mu, sigma).dtype == torch.float64


@pytest.mark.parametrize("model", SIZES)
def test_operations_of_a_training_are_those_that_torch_counts(model):
    for method in ("vi", "ssvi"):
        trained = on(model, method).eval()
        macs = counting.multiplications(trained, batch(SHAPE)[0][:1])
        assert list(macs) == layers_of(trained)
        dense = counting.train_flops(trained, macs, is_sparse=False)
        counted = count_flops(on(model, method), *batch(SHAPE, trained.recipe.batch_size))
        assert dense == counted * trained.planned_steps


def test_operations_at_the_density_by_hand():
    trained = on("mlp").eval()  # 64 -> 16 -> 16 -> 16 -> 10, density 0.2
    macs = counting.multiplications(trained, batch(SHAPE)[0][:1])
    assert list(macs.values()) == [64 * 16, 256, 256, 160]
    steps, exchanges = trained.planned_steps, trained.subspace.exchanges(trained.planned_steps)
    assert 0 < exchanges < steps / 3
    expected = 0.0
    for layer, count, is_first in zip(
        macs, macs.values(), (True, False, False, False), strict=True
    ):
        kept = round(0.2 * layer.weight.numel()) / layer.weight.numel()
        by_inputs = 0 if is_first else 2 * kept
        expected += (steps - exchanges) * count * (2 * kept + by_inputs + 2 * kept)
        expected += exchanges * count * (2 * kept + by_inputs + 1)  # one dense gradient of mu
    found = counting.train_flops(trained, macs, is_sparse=True)
    assert found == pytest.approx(2 * trained.recipe.batch_size * expected)


def inside(method) -> Inside:
    images, labels = batch(SHAPE)
    return Inside(method.eval(), method.layers(images), method.predict(images), images, labels)


def test_parameters_and_bytes_by_hand():
    found = compression.of_layers(inside(on("mlp", given={"density": 0.25})))
    weights, biases = [1024, 256, 256, 160], 3 * 16 + 10
    assert found["layer_sparsity"] == [0.75] * 4
    assert found["active_parameters"] == 2 * sum(weights) // 4 + biases
    assert found["stored_bytes"] == 4 * found["active_parameters"] + sum(weights) // 8
    assert found["inference_flops"] == 2 * sum(weights)
    assert found["inference_flops_sparse"] == 2 * sum(weights) // 4
    dense = compression.of_layers(inside(on("mlp", "vi")))
    assert dense["active_parameters"] == 2 * sum(weights) + biases
    assert dense["stored_bytes"] == 4 * dense["active_parameters"]
    network = build_method(build("mlp", SHAPE, **SIZES["mlp"]), "bp", image_shape=SHAPE)
    plain = compression.of_layers(inside(network))
    assert plain["active_parameters"] == sum(weights) + biases and sum(plain["layer_sparsity"]) == 0
    assert "train_flops_sparse" not in plain and "train_flops_sparse" in dense


def test_a_convolution_that_sees_the_image_is_dense():
    first, *others = compression.of_layers(inside(on("cnn")))["layer_sparsity"]
    assert first == 0 and all(0.75 < one < 0.85 for one in others) and len(others) == 4


@pytest.mark.parametrize("model", SIZES)
@pytest.mark.parametrize("options", [{}, {"interval": 2}])  # the second step an exchange
def test_memory_and_operations_are_simulated_exactly(model, options):
    def cost():
        methods = [on(model, given=OFTEN | options) for _ in range(2)]
        return measure_step(methods[0], *batch(SHAPE)), count_flops(methods[1], *batch(SHAPE))

    real = cost()
    with FakeTensorMode():
        assert cost() == real


def test_robustness_is_that_of_noisy_images():
    seen = inside(on("mlp", given={"means": "model"}))
    found = robustness.of_layers(seen)
    assert len(found) == 9 and found == robustness.of_layers(seen)
    noise = torch.randn(seen.images.shape, generator=torch.Generator().manual_seed(0))
    posterior = seen.method.predict(seen.images + 0.5 * noise).network
    assert found["nll_noise_50"] == pytest.approx(nll.total(posterior, seen.labels).item() / 8)
    right = (posterior.argmax(dim=1) == seen.labels).sum().item()
    assert found["accuracy_noise_50"] == pytest.approx(100 * right / 8)
