"""Layers of goodness against closed forms, and what labels and predictions are."""

import pytest
import torch
from networks import SHAPE, batch, build, build_method, losses_of_step
from torch.nn import functional as F

RATE = 0.05


def on(model: str, method: str, **given):
    sizes = {"depth": 3, "width": 16} if model == "mlp" else {"depth": 4, "width": 4}
    settings = {"image_shape": SHAPE, "lr": RATE, "momentum": 0.0} | given
    return build_method(build(model, SHAPE, **sizes), method, **settings).double()


def data():
    images, labels = batch(SHAPE)
    return images.double(), labels


def pairs(method, images, labels):
    """Return right and wrong images, normalised, as the next step will draw them."""
    torch.manual_seed(3)
    wrong = (labels + torch.randint(1, 10, labels.shape)) % 10
    assert not (wrong == labels).any()
    found = []
    for known in (labels, wrong):
        flat = images.flatten(1).clone()
        flat[:, :10] = F.one_hot(known, 10) * method.options.label
        found.append(flat / (flat.square().mean(dim=1, keepdim=True).sqrt() + 1e-8))
    torch.manual_seed(3)
    return found


def test_a_layer_of_ff_follows_the_closed_form_of_its_loss():
    method = on("mlp", "ff", method_options={"threshold": 0.2, "peer_weight": 0.7, "label": 2.0})
    images, labels = data()
    right, wrong = pairs(method, images, labels)
    layer, width, count = method.layers[0], 16, len(labels)
    a, b = ((x @ layer.weight.T + layer.bias).relu() for x in (right, wrong))
    # dL/dg of BCE over 2 N goodnesses, and dg/da = 2 a
    p, q = ((x.square().sum(dim=1) - 0.2 * width).sigmoid() for x in (a, b))
    of_right = 2 * a * (p - 1)[:, None] / (2 * count)
    of_wrong = 2 * b * q[:, None] / (2 * count)
    m = 0.9 * 0.5 + 0.1 * a.mean(dim=0)
    of_m = 0.7 * 2 / width * (m - m.mean())  # the mean's own derivative sums to 0
    of_right = of_right + of_m * 0.1 / count  # and of all neurons, active or not
    gradient = of_right.T @ right + of_wrong.T @ wrong
    of_bias = (of_right + of_wrong).sum(dim=0)
    expected = layer.weight - RATE * gradient, layer.bias - RATE * of_bias
    over = [x.square().sum(dim=1) - 0.2 * width for x in (a, b)]
    cross = (F.softplus(-over[0]).mean() + F.softplus(over[1]).mean()) / 2
    loss = cross + 0.7 * (m.mean() - m).square().mean()
    torch.testing.assert_close(losses_of_step(method, images, labels)[0], loss.detach())
    torch.testing.assert_close(layer.weight, expected[0])
    torch.testing.assert_close(layer.bias, expected[1])
    torch.testing.assert_close(method.activity_0, m.detach())


def test_a_layer_of_symba_follows_the_closed_form_of_its_loss():
    method = on("mlp", "symba", method_options={"alpha": 3.0})
    images, labels = data()
    right, wrong = pairs(method, images, labels)
    layer = method.layers[0]
    a, b = ((x @ layer.weight.T + layer.bias).relu() for x in (right, wrong))
    difference = a.square().mean(dim=1) - b.square().mean(dim=1)
    slope = -3 * (-3 * difference).sigmoid()[:, None] / len(labels)
    gradient = (slope * 2 * a / 16).T @ right - (slope * 2 * b / 16).T @ wrong
    expected = layer.weight - RATE * gradient
    method.step(images, labels)
    torch.testing.assert_close(layer.weight, expected)


@pytest.mark.parametrize("method", ["ff", "symba"])
def test_predictions_are_of_goodness_with_every_label(method):
    known = on("mlp", method)
    known.step(*data())
    images = data()[0]
    found = known.predict(images)
    flat = images.flatten(1).clone()
    flat[:, :10] = F.one_hot(torch.tensor(7), 10)
    goodness, hidden = [], flat
    for layer in known.layers:
        hidden = hidden / hidden.square().mean(dim=1, keepdim=True).sqrt()
        hidden = layer(hidden).relu()
        goodness.append(hidden.square().sum(dim=1))
    by_hand = known.goodness(images)
    for one, other in zip(by_hand, goodness, strict=True):
        torch.testing.assert_close(one[:, 7], other)
    for one, other in zip(found.units, by_hand, strict=True):
        torch.testing.assert_close(one, other.log_softmax(dim=1))
    summed = by_hand[1] + by_hand[2]
    torch.testing.assert_close(found.rules["goodness"], summed.log_softmax(dim=1))
    assert torch.equal(found.network, found.rules["probe"])


def test_the_layers_start_with_the_seeds_weights_at_the_spread_of_the_source():
    method, plain = on("mlp", "ff"), on("mlp", "bp")
    for layer, block in zip(method.layers, plain.blocks, strict=True):
        weight = block[-2].weight
        torch.testing.assert_close(layer.weight.std(), torch.tensor(0.25).double())
        torch.testing.assert_close(layer.weight / layer.weight.std(), weight / weight.std())
        assert not layer.bias.any()


def test_the_probe_has_a_rate_of_its_own():
    method = on("mlp", "ff", method_options={"probe_rate": 10.0})
    method.set_learning_rate(0.002)
    rates = [one.param_groups[0]["lr"] for one in method.optimizers]
    assert rates == pytest.approx([0.002, 0.002, 0.002, 0.02])


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_step_of_sff_follows_the_gradients_of_every_units_own_loss(model):
    method, images = on(model, "sff"), data()[0]
    labels, hidden, expected = data()[1], images, []
    for unit, own in zip(on(model, "sff").units, method.readouts, strict=True):
        output = unit.blocks(hidden)
        if model == "mlp":
            places = F.linear(output, own.layer.weight, own.layer.bias)[:, None]
        else:
            maps = F.conv2d(output, own.layer.weight, own.layer.bias, padding=2)
            places = maps.permute(0, 2, 3, 1).flatten(1, 2)
        centred = places - places.mean(dim=2, keepdim=True)
        normed = centred / (centred.square().mean(dim=2, keepdim=True) + 1e-5).sqrt()
        logits = own.linear(normed.relu().mean(dim=1))
        parameters = list(unit.blocks.parameters())
        gradients = torch.autograd.grad(F.cross_entropy(logits, labels), parameters)
        expected.append([p.detach() - RATE * g for p, g in zip(parameters, gradients, strict=True)])
        hidden = output.detach()
    method.step(images, labels)
    for unit, after in zip(method.units, expected, strict=True):
        torch.testing.assert_close([p.detach() for p in unit.blocks.parameters()], after)


def test_sff_predicts_by_the_mean_of_all_logits():
    method = on("mlp", "sff")
    logits = torch.stack([one.logits for one in method.sweep(data()[0])])
    found = method.predict(data()[0]).network
    torch.testing.assert_close(found, logits.mean(dim=0).log_softmax(dim=1))
