"""Units with auxiliary networks against autograd of what their docstrings state, and limits."""

import pytest
import torch
from networks import batch, build, build_method
from steps import check, data, on
from torch.nn import functional as F

from svp_core.config import options, resolve
from svp_core.config.pairs import ConfigError


def own_losses(method, images, labels):
    """Every unit's cross-entropy, and what it trains: the unit and its network."""
    hidden = images
    for unit, network in zip(method.units, method.readouts, strict=True):
        hidden = unit.blocks(hidden.detach())
        trained = [*unit.parameters(), *network.parameters()]
        yield F.cross_entropy(network(hidden), labels), trained


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.parametrize("method", ["dgl", "auglocal", "mono_forward", "biofo", "man"])
def test_units_follow_their_own_cross_entropy(method, model):
    check(on(method, model), own_losses, *data())


def summed(weight: float):
    def losses(method, images, labels):
        hidden, total = images, 0
        for place, (unit, head) in enumerate(zip(method.units, method.readouts, strict=True)):
            hidden = unit.blocks(hidden)
            factor = 1 if place == len(method.units) - 1 else weight
            total = total + factor * F.cross_entropy(head(hidden), labels)
        yield total, list(method.parameters())

    return losses


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_deep_supervision_is_the_gradient_of_the_sum(weight):
    given = {"method_options": {"early_weight": weight}}
    check(on("deep_supervision", **given), summed(weight), *data())


def test_detached_heads_train_their_own_unit():
    check(on("deep_supervision", method_options={"detach": True}), own_losses, *data())


def same_as_bp(method):
    """Whether the blocks and the last head are, after two steps, those of bp to the last bit."""
    bp = on("bp")
    for one in (method, bp):
        for _ in range(2):
            one.step(*data())
    last = list(method.readouts[-1].parameters())
    return all(map(torch.equal, [*method.units.parameters(), *last], bp.parameters()))


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("deep_supervision", {"early_weight": 0.0}),
        ("auglocal", {"auxiliary_depth": 3}),
        ("dgl", {"blocks": 4}),
        ("man", {"blocks": 4}),
    ],
)
def test_limits_are_backpropagation(method, given):
    assert same_as_bp(on(method, method_options=given))


@pytest.mark.parametrize("method", ["deep_supervision", "auglocal", "mono_forward", "biofo"])
def test_micro_batches_bring_the_same_update(method):
    whole, parts = on(method), on(method, micro_batches=4)
    for one in (whole, parts):
        one.step(*data())
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(whole.drain()["unit_loss"], parts.drain()["unit_loss"])


def test_frozen_heads_never_move_and_have_the_law_of_their_docstring():
    method = on("biofo")
    heads = [(one.weight.clone(), one.bias) for one in method.readouts]
    method.step(*data())
    for readout, (weight, bias) in zip(method.readouts, heads, strict=True):
        assert torch.equal(readout.weight, weight) and bias is None
        assert set(weight.unique().tolist()) == {-1.0, 0.0, 1.0}
    parts = torch.cat([weight.flatten() for weight, _ in heads])
    assert abs((parts == 1).double().mean() - 1 / 6) < 0.05
    assert abs((parts == -1).double().mean() - 1 / 6) < 0.05


def test_averages_follow_the_next_unit_and_no_optimiser_moves_them():
    method = on("man", method_options={"auxiliary_momentum": 0.9})
    average = method.readouts[0].average
    old = [one.clone() for one in average.parameters()]
    method.step(*data())
    following = method.units[1].blocks.parameters()
    for one, before, weight in zip(average.parameters(), old, following, strict=True):
        torch.testing.assert_close(one, 0.9 * before + 0.1 * weight)
    alone = on("man", method_options={"learned": False})
    assert alone.readouts[0].copy is None and len(alone.optimizers) == len(method.optimizers)


@pytest.mark.parametrize("method", ["mono_forward", "biofo", "hpff", "dgl", "man"])
def test_dense_layers_above_maps_have_networks_too(method):
    shape = (1, 16, 16)
    made = build_method(build("vgg", shape, width=0.05), method, image_shape=shape)
    made.step(*batch(shape))
    assert made.predict(batch(shape)[0]).network.isfinite().all()


@pytest.mark.parametrize(
    ("method", "model", "message"),
    [
        ("infopro", "mlp", "model: infopro is defined for cnn, resnet, not for mlp"),
        ("hpff", "vit", "model: hpff is defined for cnn, resnet, vgg, not for vit"),
        ("auglocal", "vgg", "model: auglocal is defined for cnn, mlp, resnet, vit, not for vgg"),
        (
            "mono_forward",
            "resnet",
            "model: mono_forward is defined for cnn, mlp, vgg, not for resnet",
        ),
    ],
)
def test_a_method_is_refused_where_it_is_not_defined(method, model, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        resolve({"dataset": "digits", "model": model, "method": method, "seed": 0})


@pytest.mark.parametrize(
    ("method", "given", "message"),
    [
        ("sgr", {"blocks": 9}, "blocks: 9 exceeds depth 3"),
        ("dgl", {"auxiliary": "cnn"}, "auxiliary: cnn sees feature maps"),
        ("auglocal", {"auxiliary_depth": 3}, "auxiliary_depth: 3 is not below depth 3"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(method, given, message):
    run = {"dataset": "digits", "model": "mlp", "method": method, "seed": 0}
    with pytest.raises(ConfigError, match=f"method_options.{message}"):
        resolve(run | {"method_options": given})


def test_a_loss_reaches_as_far_as_its_options_say():
    def reach(name, depth=8, **given):
        return options.fill("methods", name, given).reach(depth)

    assert [reach("dgl"), reach("sgr", blocks=2), reach("hpff"), reach("hpff", blocks=3)] == [
        1,
        2,
        2,
        6,
    ]
    assert reach("deep_supervision") == 8 and reach("deep_supervision", detach=True) == 1
    assert reach("auglocal", auxiliary_depth=2) == 3
