"""Local units of Gaussian weights: each its own bound, its own exchange, and no more than svp."""

import pytest
import torch
from networks import SHAPE, batch, build, build_method, losses_of_step, saved
from torch import nn
from torch.nn import functional as F

from svp_core.bayes.layers import layers_of
from svp_core.config import resolve
from svp_core.config.pairs import ConfigError

SIZES = {"mlp": {"depth": 3, "width": 16}, "cnn": {"depth": 4, "width": 4, "stages": 2}}
SIZES |= {"resnet": {"width": 4, "depth": 4}}
OFTEN = {"density": 0.2, "interval": 3, "prior_scale": 0.1, "means": "model"}


def on(model: str = "mlp", method: str = "bayes_svp", given: dict | None = None, **recipe):
    settings = {"image_shape": SHAPE, "optimizer": "adamw", "lr": 0.003} | recipe
    chosen = (OFTEN if method == "bayes_svp" else {}) | (given or {})
    network = build(model, SHAPE, **SIZES[model])
    return build_method(network, method, method_options=chosen, **settings)


def test_certain_weights_without_a_prior_are_svp():
    """At density 1, with sigma 0 but for the floor of a sum, and a KL of no weight."""
    plain = on(method="svp")
    bayes = on(given={"density": 1.0, "kl_weight": 0.0})
    for layer in layers_of(bayes):
        nn.init.constant_(layer.rho, -30.0)
    for _ in range(3):
        found = [losses_of_step(one, *batch(SHAPE)) for one in (plain, bayes)]
        torch.testing.assert_close(*found, rtol=1e-3, atol=1e-3)


def test_the_loss_of_a_unit_has_the_divergence_of_its_own_weights():
    given = {"kl_weight": 1.0, "kl_warmup": 0.0, "density": 0.5}
    losses = {}
    for scale in (0.1, 0.2):
        method = on(given=given | {"prior_scale": scale})
        kls = [sum(one.divergence(scale) for one in layers_of(unit)) for unit in method.units]
        torch.manual_seed(0)
        losses[scale] = losses_of_step(method, *batch(SHAPE)), torch.stack(kls) / 1000  # images
    (first, known), (second, other) = losses.values()
    torch.testing.assert_close((first - known)[0], (second - other)[0], rtol=1e-4, atol=1e-4)
    assert (known - other).abs().min() > 0.01


@pytest.mark.parametrize("model", SIZES)
def test_units_learn_exchange_and_keep_the_number_of_active_weights(model):
    method = on(model, lr=0.01)
    layers = [one for one in layers_of(method) if one.mask is not None]
    before = [one.mask.clone() for one in layers]
    posterior = method.predict(batch(SHAPE)[0]).network
    for _ in range(20):
        method.step(*batch(SHAPE))
    for layer, mask in zip(layers, before, strict=True):
        assert layer.mask.sum() == mask.sum() == layer.active
        assert not torch.equal(layer.mask, mask) and not layer.weight[~layer.mask].any()
    labels = batch(SHAPE)[1]
    after = method.predict(batch(SHAPE)[0])
    assert F.nll_loss(after.network, labels) < F.nll_loss(posterior, labels)
    assert {"last", "mean", "sampled", "mean_weights"} == set(after.rules)


def test_deviations_are_not_decayed():
    method = on(weight_decay=0.5, lr=0.1)
    for optimizer, unit in zip(method.optimizers, method.units, strict=True):
        decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
        (layer,) = layers_of(unit)
        assert decays.pop(id(layer.rho)) == 0 and set(decays.values()) == {0.5}


@pytest.mark.parametrize("update", ["fused", "after"])
def test_a_state_continues_with_the_same_bits_through_an_exchange(update):
    whole, continued = on(given={"update": update}), on(given={"update": update})
    for _ in range(2):
        whole.step(*batch(SHAPE))
    continued.load_state(saved(whole))
    for one in (whole, continued):
        torch.manual_seed(5)
        for _ in range(2):
            one.step(*batch(SHAPE))
    assert all(map(torch.equal, whole.state_dict().values(), continued.state_dict().values()))


def test_averages_of_distributions_are_refused():
    run = {"dataset": "digits", "model": "mlp", "method": "bayes_svp", "seed": 0}
    with pytest.raises(ConfigError, match="method_options.auxiliary: ema averages weights"):
        resolve(run | {"method_options": {"auxiliary": "ema"}})
