"""Gaussian weights, dense and in a sparse subspace: layers, bound, exchange, prediction, state."""

import pytest
import torch
from networks import SHAPE, batch, build, build_method, losses_of_step, saved
from torch import nn
from torch.nn import functional as F

from svp_core.bayes.layers import Stochastic, layers_of, make_stochastic, replaced
from svp_core.bayes.options import SubspaceOptions
from svp_core.bayes.subspace import SMALLEST_RHO, Subspace
from svp_core.config import resolve
from svp_core.config.pairs import ConfigError

SIZES = {
    "mlp": {"depth": 3, "width": 16},
    "cnn": {"depth": 4, "width": 4, "stages": 2},
    "resnet": {"width": 4, "depth": 4},
}
OFTEN = {"density": 0.2, "interval": 3, "prior_scale": 0.1}


def on(model: str, method: str = "ssvi", given: dict | None = None, **recipe):
    """Return a method; unless told otherwise weights are exchanged every third step."""
    chosen = OFTEN if method != "vi" else {"prior_scale": 0.1}
    settings = {"image_shape": SHAPE, "optimizer": "adamw", "lr": 0.003} | recipe
    network = build(model, SHAPE, **SIZES[model])
    return build_method(network, method, method_options=chosen | (given or {}), **settings)


def sparse(method) -> list[Stochastic]:
    return [one for one in layers_of(method) if one.mask is not None]


def layer_of(kind: str, density: float = 0.3) -> tuple[nn.Module, torch.Tensor]:
    """Return one stochastic layer with sigmas that can be seen, and inputs for it."""
    torch.manual_seed(0)
    plain = nn.Linear(6, 5) if kind == "dense" else nn.Conv2d(3, 4, 3, stride=2, padding=1)
    # not alone, or a convolution would be the first and keep all of its weights
    network = nn.Sequential(nn.Linear(1, 1), plain)
    make_stochastic(network, SubspaceOptions(density=density, means="model"), seed=0)
    nn.init.uniform_(plain.rho, -1.5, 0.0)
    return plain, torch.randn(2, *((6,) if kind == "dense" else (3, 5, 5)))


@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_sampled_sums_have_mean_and_variance_of_sampled_weights(kind):
    layer, inputs = layer_of(kind)
    generator, repeats = torch.Generator().manual_seed(1), 5_000
    with torch.no_grad():
        many = inputs.repeat(repeats, *[1] * (inputs.dim() - 1))
        locally = layer(many).unflatten(0, (repeats, -1))
        drawn = []
        for _ in range(repeats):
            with replaced([layer], [layer.draw(generator)]):
                drawn.append(layer(inputs))
    for found in (locally, torch.stack(drawn)):
        layer.eval()
        scale = layer.product(inputs.square(), layer.sigma().square(), None).sqrt()
        error = (found.mean(dim=0) - layer(inputs)) / scale.clamp(min=1e-3)
        assert error.abs().max() < 5 / repeats**0.5
        assert (found.std(dim=0) / scale - 1)[scale > 0.01].abs().max() < 0.05
    assert (scale > 0.01).float().mean() > 0.8


def test_a_layer_computes_with_its_means_outside_of_training():
    layer, inputs = layer_of("dense")
    layer.eval()
    torch.testing.assert_close(layer(inputs), F.linear(inputs, layer.weight, layer.bias))


@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_the_divergence_is_that_of_active_weights_alone(kind):
    layer, _ = layer_of(kind)
    mask = layer.mask
    sigma = F.softplus(layer.rho)
    q, p = (torch.distributions.Normal(*pair) for pair in ((layer.weight, sigma), (0.0, 0.2)))
    every = torch.distributions.kl_divergence(q, p)
    torch.testing.assert_close(layer.divergence(0.2), every[mask].sum())
    assert 0 < mask.sum() == layer.active < mask.numel() and every[~mask].abs().min() > 0
    for gradient in torch.autograd.grad(layer.divergence(0.2), [layer.weight, layer.rho]):
        assert gradient[mask].all() and not gradient[~mask].any()
    with torch.no_grad():
        layer.rho[~mask] = 7.0
        torch.testing.assert_close(layer.divergence(0.2), every[mask].sum())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("model", SIZES)
def test_as_many_weights_stay_active_and_all_others_are_zero(model, optimizer):
    method = on(model, optimizer=optimizer, lr=0.01, weight_decay=0.1)
    before = [one.mask.clone() for one in sparse(method)]
    for number in range(1, 7):
        method.step(*batch(SHAPE))
        for layer in sparse(method):
            assert layer.mask.sum() == layer.active == round(0.2 * layer.mask.numel())
            assert not layer.weight[~layer.mask].any() and not layer.sigma()[~layer.mask].any()
            if number in (1, 3):  # after an exchange added weights have begun at 0
                assert bool(layer.weight[layer.mask].all()) == (number == 1)
            for state in (method.optimizers[0].state[p] for p in (layer.weight, layer.rho)):
                means = [one for one in state.values() if one.shape == layer.mask.shape]
                assert means and not any(one[~layer.mask].any() for one in means)
    pairs = zip(before, sparse(method), strict=True)
    assert not any(torch.equal(mask, layer.mask) for mask, layer in pairs)
    # a convolution that sees the image stays dense
    assert (layers_of(method)[0].mask is None) == (model != "mlp")


def test_an_exchange_removes_the_lowest_scores_and_adds_the_largest_gradients():
    method = on("mlp", given={"removal": "mean", "interval": 2, "exchanged": 0.5})
    method.step(*batch(SHAPE))
    layers, found = sparse(method), {}
    before = [(one.weight.clone(), one.rho.clone(), one.mask.clone()) for one in layers]
    biases = [one.bias.clone() for one in layers]
    for layer in layers:
        layer.weight.register_hook(lambda g, own=layer: found.setdefault(own, g.abs()))
    method.step(*batch(SHAPE))
    part = Subspace(method.posterior, method.planned_steps).fraction(2)
    assert part == pytest.approx(0.5, rel=1e-3)
    for layer, (weight, rho, mask), bias in zip(layers, before, biases, strict=True):
        size = int(layer.active * part)
        removed, added = mask & ~layer.mask, layer.mask & ~mask
        assert removed.sum() == added.sum() == size > 0
        assert weight[removed].abs().max() <= weight[mask & layer.mask].abs().min()
        assert found[layer][added].min() >= found[layer][~mask & ~layer.mask].max()
        kept = mask & layer.mask
        assert torch.equal(layer.weight[kept], weight[kept]) and torch.equal(layer.bias, bias)
        assert not layer.weight[added].any()
        torch.testing.assert_close(layer.rho[added], rho[kept].mean().expand(size))


def test_added_weights_may_begin_almost_certain():
    method = on("mlp", given={"interval": 2, "added_deviation": "eps"})
    before = [one.mask.clone() for one in sparse(method)]
    for _ in range(2):
        method.step(*batch(SHAPE))
    for layer, mask in zip(sparse(method), before, strict=True):
        assert layer.rho[layer.mask & ~mask].eq(SMALLEST_RHO).all()
        torch.testing.assert_close(F.softplus(torch.tensor(SMALLEST_RHO)), torch.tensor(1e-6))


def test_weights_are_added_by_the_gradient_at_the_mean_if_asked():
    method = on("mlp", given={"interval": 2, "addition": "mean"})
    seen = []
    for _ in range(3):
        method.step(*batch(SHAPE))
        seen.append([one.is_sampled for one in layers_of(method)][0])
    assert seen == [True, False, True]


def test_exchanges_end_and_shrink_as_a_cosine():
    plan = Subspace(SubspaceOptions(interval=10, until=0.5, exchanged=0.4), steps=80)
    parts = [plan.fraction(number) for number in range(1, 81)]
    assert [number for number, one in enumerate(parts, 1) if one] == [10, 20, 30]
    assert parts[19] == pytest.approx(0.2) and parts[9] > parts[19] > parts[29]
    assert plan.exchanges(80) == 3


@pytest.mark.parametrize("model", SIZES)
def test_at_density_one_it_is_dense_variational_inference(model):
    one, other = on(model, "vi"), on(model, "ssvi", {"density": 1.0})
    for method in (one, other):
        torch.manual_seed(3)
        for _ in range(4):  # past what would be an exchange
            method.step(*batch(SHAPE))
    states = (method.state_dict() for method in (one, other))
    assert all(torch.equal(*pair) for pair in zip(*(s.values() for s in states), strict=True))
    found = (method.eval().predict(batch(SHAPE)[0]).network for method in (one, other))
    assert torch.equal(*found)


@pytest.mark.parametrize("model", SIZES)
@pytest.mark.parametrize("method", ["ssvi", "vi"])
def test_a_state_continues_with_the_same_bits_through_an_exchange(model, method):
    whole, continued = on(model, method), on(model, method)
    for _ in range(2):
        whole.step(*batch(SHAPE))
    continued.load_state(saved(whole))
    for one in (whole, continued):
        torch.manual_seed(5)
        for _ in range(2):
            one.step(*batch(SHAPE))
    assert all(map(torch.equal, whole.state_dict().values(), continued.state_dict().values()))
    assert torch.equal(whole.drain()["unit_loss"], continued.drain()["unit_loss"])


@pytest.mark.parametrize("model", SIZES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_batch_is_learned(model, precision):
    method = on(model, given={"means": "model", "interval": 10}, lr=0.01, precision=precision)
    before = F.nll_loss(method.predict(batch(SHAPE)[0]).network, batch(SHAPE)[1])
    assert all(losses_of_step(method, *batch(SHAPE)).isfinite().all() for _ in range(40))
    assert F.nll_loss(method.predict(batch(SHAPE)[0]).network, batch(SHAPE)[1]) < before - 0.5
    assert all(one.dtype == torch.float32 for one in method.parameters())


def test_micro_batches_have_one_bound():
    given = {"kl_warmup": 0.0, "kl_weight": 1.0}
    parts, whole = (on("mlp", given=given, micro_batches=count) for count in (2, 1))
    for method in (parts, whole):
        for layer in layers_of(method):
            nn.init.constant_(layer.rho, -30.0)  # nothing to sample but the floor
    images, labels = batch(SHAPE)
    pairs = [losses_of_step(method, images, labels) for method in (parts, whole)]
    torch.testing.assert_close(*pairs, rtol=1e-3, atol=1e-3)


def test_a_prediction_averages_sampled_networks():
    images = batch(SHAPE)[0]
    method = on("mlp", given={"samples": 3, "means": "model"})
    for layer in layers_of(method):
        nn.init.constant_(layer.rho, -1.0)
    method.eval()
    state = torch.get_rng_state()
    found = method.predict(images)
    assert torch.equal(torch.get_rng_state(), state)  # what a training draws is not disturbed
    networks = method.drawn(layers_of(method))
    posteriors = []
    for weights in networks:
        with replaced(layers_of(method), weights):
            posteriors.append(method.logits(images).softmax(dim=1))
    assert len(posteriors) == 3 and not torch.allclose(posteriors[0], posteriors[1], atol=1e-3)
    torch.testing.assert_close(found.rules["sampled"].exp(), sum(posteriors) / 3)
    at_mean = method.logits(images).log_softmax(dim=1)
    assert torch.equal(found.rules["mean_weights"], at_mean)
    assert torch.equal(found.network, found.rules["sampled"])
    method.step(images, batch(SHAPE)[1])  # new weights, new networks
    assert not torch.equal(method.eval().drawn(layers_of(method))[0][0], networks[0][0])
    other = on("mlp", given={"prediction": "mean_weights", "means": "model"}).eval()
    assert torch.equal(other.predict(images).network, other.predict(images).rules["mean_weights"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "vit"}, "^model: ssvi is defined for cnn, mlp, resnet, not for vit$"),
        ({"model": "vgg", "method": "vi"}, "^model: vi is defined for cnn, mlp, resnet, not"),
        ({"recipe": {"optimizer": "muon"}}, "method_options.density: steps of muon are not sparse"),
        ({"method_options": {"density": 1.5}}, "method_options.density: 1.5 is greater than"),
        ({"method_options": {"removal": "size"}}, "method_options.removal: 'size' is not one of"),
        ({"method": "vi", "method_options": {"density": 0.5}}, "density"),
    ],
)
def test_the_impossible_is_refused_by_name(settings, message):
    run = {"dataset": "digits", "model": "mlp", "method": "ssvi", "seed": 0}
    with pytest.raises(ConfigError, match=message):
        resolve(run | settings)
