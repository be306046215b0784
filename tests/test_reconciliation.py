"""SGR against a closed form, finite differences, and its limits."""

import pytest
import torch
from networks import SHAPE, batch, build, build_method, losses_of_step
from torch.nn import functional as F

RATE = 0.05


def on(sizes: dict | None = None, model: str = "mlp", **given):
    sizes = sizes or {"depth": 2, "width": 16}
    settings = {"image_shape": SHAPE, "lr": RATE, "momentum": 0.0} | given
    return build_method(build(model, SHAPE, **sizes), "sgr", **settings).double()


def data():
    images, labels = batch(SHAPE)
    return images.double(), labels


def weights(method):
    return [one.detach().clone() for one in method.parameters()]


def error(head, hidden, labels):
    """Softmax of a head's logits less one-hot labels, (B, K): N times the gradient of the loss."""
    return head(hidden).softmax(dim=1) - F.one_hot(labels, 10)


def test_the_gap_is_that_of_the_closed_form_of_one_layer():
    method = on({"depth": 2, "width": 16, "activation": "tanh"})
    images, labels = data()
    first, second = (unit.blocks[0] for unit in method.units)
    heads = [readout.linear for readout in method.readouts]
    rule = method.options.reconciliation
    with torch.no_grad():
        h = first(images)
        g = error(heads[0], h, labels) @ heads[0].weight  # of image n, by h_1
        below, bias, head = (
            one.clone().requires_grad_()
            for one in (second[0].weight, second[0].bias, heads[1].weight)
        )
    for readout in heads:  # the closed form below is of the first unit before its update
        assert readout.bias is not None
    a = (h @ below.T + bias).tanh()
    logits = a @ head.T + heads[1].bias.detach()
    p = logits.softmax(dim=1) - F.one_hot(labels, 10)
    r = ((p @ head) * (1 - a.square())) @ below  # W^T (f' R^T (p - y))
    gap = (r - g).square().sum(dim=1).mean()
    whole = F.cross_entropy(logits, labels) + rule * gap
    expected = [
        one - RATE * gradient
        for one, gradient in zip(
            (below, bias, head), torch.autograd.grad(whole, (below, bias, head)), strict=True
        )
    ]
    method.step(images, labels)
    found = second[0].weight, second[0].bias, heads[1].weight
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.detach(), other.detach())
    torch.testing.assert_close(method.drain()["gap"], gap.detach())


@pytest.mark.parametrize("gap", ["squared", "cosine"])
@pytest.mark.parametrize("partner", ["same", "other"])
def test_an_update_follows_finite_differences_of_loss_and_gap(gap, partner):
    options = {"gap": gap, "partner": partner, "reconciliation": 0.7}
    sizes = {"depth": 2, "width": 4, "stages": 1}
    method = on(sizes, "cnn", method_options=options)
    images, labels = data()
    h = method.read(0, images)[0].detach()
    g = torch.autograd.grad(F.cross_entropy(method.readouts[0](h.requires_grad_()), labels), h)[0]
    g = g.roll(1, dims=0) if partner == "other" else g
    kernel = method.units[1].blocks[0][0].weight

    def whole() -> torch.Tensor:
        loss = F.cross_entropy(method.read(1, h)[1].logits, labels)
        r = torch.autograd.grad(loss, h)[0]
        rows, others = (len(h) * one.flatten(1) for one in (r, g))
        distance = (rows - others).square().sum(dim=1)
        if gap == "cosine":
            distance = 1 - (F.normalize(rows, dim=1) * F.normalize(others, dim=1)).sum(dim=1)
        return (loss + 0.7 * distance.mean()).detach()

    direction = torch.randn(kernel.shape, generator=torch.Generator().manual_seed(2)).double()
    values = []
    for step in (1e-5, -1e-5):
        kernel.data += step * direction
        values.append(whole())
        kernel.data -= step * direction
    before = kernel.detach().clone()
    method.step(images, labels)
    slope = ((before - kernel.detach()) / RATE * direction).sum()
    torch.testing.assert_close(slope, (values[0] - values[1]) / 2e-5, rtol=1e-5, atol=1e-9)


def test_without_reconciliation_units_follow_their_own_loss():
    method = on(method_options={"reconciliation": 0.0})
    images, labels = data()
    hidden = images
    expected = []
    for unit, readout in zip(method.units, method.readouts, strict=True):
        output = unit.blocks(hidden.detach())
        loss = F.cross_entropy(readout(output), labels)
        own = [*unit.blocks.parameters(), *readout.parameters()]
        expected.append(
            [p - RATE * g for p, g in zip(own, torch.autograd.grad(loss, own), strict=True)]
        )
        hidden = output
    method.step(images, labels)
    assert "gap" not in method.drain()
    for unit, readout, wanted in zip(method.units, method.readouts, expected, strict=True):
        found = [*unit.blocks.parameters(), *readout.parameters()]
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one.detach(), other.detach())


def test_the_first_unit_and_the_partner_are_left_alone():
    plain, strict = (on(method_options={"reconciliation": rule}) for rule in (0.0, 50.0))
    for one in (plain, strict):
        one.step(*data())
    count = len(list(plain.units[0].parameters()))
    for i, (one, other) in enumerate(
        zip(plain.units.parameters(), strict.units.parameters(), strict=True)
    ):
        assert torch.equal(one, other) == (i < count)


def test_one_unit_of_all_blocks_is_backpropagation():
    settings = {"image_shape": SHAPE, "lr": RATE}
    one = on(method_options={"blocks": 2})
    bp = build_method(build("mlp", SHAPE, depth=2, width=16), "bp", momentum=0.0, **settings)
    bp = bp.double()
    for method in (one, bp):
        method.step(*data())
    assert all(map(torch.equal, weights(one), weights(bp)))


def test_micro_batches_bring_the_same_update():
    whole, parts = on(), on(micro_batches=4)
    losses = [losses_of_step(one, *data()) for one in (whole, parts)]
    torch.testing.assert_close(*losses)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_the_gap_closes_where_it_counts():
    gaps = {}
    for rule in (0.001, 10.0):
        method = on(method_options={"reconciliation": rule}, lr=0.01)
        for _ in range(60):
            method.step(*data())
        gaps[rule] = method.drain()["gap"] / 60
    assert gaps[10.0] < 0.7 * gaps[0.001]
