"""Methods of fixed feedback against closed forms, and backpropagation where they meet it."""

import pytest
import torch
from networks import SHAPE, batch, build, build_method
from torch import nn
from torch.nn import functional as F

from svp_core.feedback.layers import FeedbackConv2d, FeedbackLinear

SIZES = {
    "mlp": {"depth": 3, "width": 16},
    "cnn": {"depth": 4, "width": 4, "stages": 2},
    "resnet": {"width": 4, "depth": 4},
    "vit": {"depth": 2, "width": 16},
}
RATE = 0.05


def on(model: str, method: str, sizes: dict | None = None, **given):
    """Return a method in float64, trained by plain SGD."""
    network = build(model, SHAPE, **(sizes or SIZES[model]))
    settings = {"image_shape": SHAPE, "lr": RATE, "momentum": 0.0} | given
    return build_method(network, method, **settings).double()


def data():
    images, labels = batch(SHAPE)
    return images.double(), labels


def trained(method) -> list[torch.Tensor]:
    method.step(*data())
    return [one.detach() for one in method.parameters()]


class Transposed(nn.Module):
    def forward(self, weight):
        return weight


@pytest.mark.parametrize("model", SIZES)
def test_feedback_by_the_weights_themselves_is_backpropagation(model):
    plain, aligned = on(model, "bp"), on(model, "fa")
    for layer in aligned.modules():
        if hasattr(layer, "carry"):
            layer.carry = Transposed()
    for _ in range(2):
        torch.testing.assert_close(trained(aligned), trained(plain))


@pytest.mark.parametrize("method", ["fa", "usf"])
@pytest.mark.parametrize("model", SIZES)
def test_every_dense_layer_and_convolution_has_feedback_of_its_own(model, method):
    plain, aligned = on(model, "bp"), on(model, method)
    kinds = (FeedbackLinear, FeedbackConv2d)
    layers = [one for one in aligned.modules() if isinstance(one, nn.Linear | nn.Conv2d)]
    assert layers and all(isinstance(one, kinds) for one in layers)
    torch.testing.assert_close(*(one.predict(data()[0]).network for one in (plain, aligned)))
    changed = zip(trained(plain), trained(aligned), strict=True)
    assert not all(torch.allclose(*pair) for pair in changed)


def test_an_error_crosses_a_convolution_by_its_fixed_weights():
    layer = next(one for one in on("cnn", "fa").modules() if isinstance(one, FeedbackConv2d))
    images = data()[0].requires_grad_()
    error = torch.randn_like(layer(images))
    layer(images).backward(error)
    of_weight = torch.nn.grad.conv2d_weight(images.detach(), layer.weight.shape, error, padding=1)
    torch.testing.assert_close(layer.weight.grad, of_weight)
    matrix = layer.carry.matrix
    assert matrix.shape == layer.weight.shape and not torch.equal(matrix, layer.weight)
    torch.testing.assert_close(
        images.grad, torch.nn.grad.conv2d_input(images.shape, matrix, error, padding=1)
    )


def hidden_layers(method) -> list[nn.Linear]:
    return [one for one in method.blocks.modules() if isinstance(one, nn.Linear)]


def forward_by_hand(method, flat):
    """Return inputs and pre-activations of the hidden layers, and the error of the output."""
    inputs, sums = [flat], []
    for layer in hidden_layers(method):
        sums.append(inputs[-1] @ layer.weight.T + layer.bias)
        inputs.append(sums[-1].relu())
    logits = inputs[-1] @ method.head.weight.T + method.head.bias
    return inputs, sums, logits.softmax(dim=1)


def expected_steps(method, errors_of) -> list[torch.Tensor]:
    """Return the parameters after a step; `errors_of(e, y, sums)` gives dL/dsum of every layer."""
    images, labels = data()
    inputs, sums, posterior = forward_by_hand(method, images.flatten(1))
    known = F.one_hot(labels, 10).double()
    error = (posterior - known) / len(labels)
    deltas = [*errors_of(error, known / len(labels), sums), error]
    after = []
    for layer, delta, seen in zip(
        [*hidden_layers(method), method.head], deltas, inputs, strict=True
    ):
        after += [layer.weight - RATE * delta.T @ seen, layer.bias - RATE * delta.sum(dim=0)]
    return [one.detach() for one in after]


def test_a_step_of_feedback_alignment_is_the_closed_form():
    method = on("mlp", "fa")
    second, third, last = (one.carry.matrix for one in (*hidden_layers(method)[1:], method.head))

    def errors(error, known, sums):
        top = error @ last * (sums[2] > 0)
        middle = top @ third * (sums[1] > 0)
        return [middle @ second * (sums[0] > 0), middle, top]

    expected = expected_steps(method, errors)
    torch.testing.assert_close(trained(method), expected)


SIGNALS = {
    "dfa": lambda error, known: error,
    "sdfa": lambda error, known: error.sign() / len(error),
    "drtp": lambda error, known: known,
}


@pytest.mark.parametrize("method", SIGNALS)
def test_a_step_of_direct_feedback_is_the_closed_form(method):
    direct = on("mlp", method)
    matrices = [direct.get_buffer(f"feedback_{place}") for place in range(3)]

    def errors(error, known, sums):
        signal = SIGNALS[method](error, known)
        return [signal @ matrix * (a > 0) for matrix, a in zip(matrices, sums, strict=True)]

    expected, found = expected_steps(direct, errors), trained(direct)
    # of drtp all layers above the first see others that have been updated
    count = 2 if method == "drtp" else len(expected)
    torch.testing.assert_close(found[:count], expected[:count])


def test_a_layer_of_random_target_projection_sees_updated_ones():
    method = on("mlp", "drtp")
    images, labels = data()
    known, hidden = F.one_hot(labels, 10).double() / len(labels), images.flatten(1)
    for place, layer in enumerate(on("mlp", "drtp").blocks):
        dense = layer[-2]
        delta = known @ method.get_buffer(f"feedback_{place}") * (dense(hidden) > 0)
        weight, bias = dense.weight - RATE * delta.T @ hidden, dense.bias - RATE * delta.sum(dim=0)
        if place == 0:
            method.step(images, labels)
        found = method.blocks[place][-2]
        torch.testing.assert_close(found.weight, weight, msg=f"layer {place}")
        torch.testing.assert_close(found.bias, bias)
        hidden = dense(hidden).relu().detach()  # as it was before the update


@pytest.mark.parametrize("model", ["cnn", "vit"])
def test_direct_feedback_is_the_gradient_of_a_fixed_projection_of_every_block(model):
    method = on(model, "dfa")
    images, labels = data()
    features, hidden = [], images
    for block in method.blocks:
        hidden = block(hidden.detach())
        features.append(hidden)
    logits = method.logits(features[-1])
    error = (logits.softmax(dim=1) - F.one_hot(labels, 10)).detach() / len(labels)
    sent = [error @ method.get_buffer(f"feedback_{i}").flatten(1) for i in range(len(features))]
    total = sum((s * h.flatten(1)).sum() for s, h in zip(sent, features, strict=True))
    total = total + F.cross_entropy(logits, labels)
    own = list(method.parameters())
    gradients = torch.autograd.grad(total, own)
    other = on(model, "dfa")  # norms of the first have seen the batch
    expected = [p.detach() - RATE * g for p, g in zip(own, gradients, strict=True)]
    torch.testing.assert_close(trained(other), expected)


def test_direct_feedback_of_one_hidden_layer_is_feedback_alignment():
    sizes = {"depth": 1, "width": 16}
    direct, aligned = on("mlp", "dfa", sizes), on("mlp", "fa", sizes)
    aligned.head.carry.matrix.copy_(direct.get_buffer("feedback_0"))
    for _ in range(3):
        torch.testing.assert_close(trained(direct), trained(aligned))


def test_the_signs_of_the_weights_carry_errors_and_are_read_anew():
    uniform, fixed, drawn = (
        on("mlp", "usf", method_options={"magnitude": one}).head
        for one in ("uniform", "fixed", "drawn")
    )
    scale = (2 / (16 + 10)) ** 0.5
    torch.testing.assert_close(uniform.carry(uniform.weight), scale * uniform.weight.sign())
    for layer in (uniform, fixed, drawn):
        assert torch.equal(layer.carry(layer.weight).sign(), layer.weight.sign())
        assert torch.equal(layer.carry(-layer.weight).sign(), -layer.weight.sign())
    assert torch.equal(fixed.carry(fixed.weight), fixed.carry(fixed.weight))
    assert not torch.equal(drawn.carry(drawn.weight), drawn.carry(drawn.weight))


def test_a_step_of_pepita_is_that_of_two_passes():
    method = on("mlp", "pepita")
    images, labels = data()
    known = F.one_hot(labels, 10).double()
    first, _, posterior = forward_by_hand(method, images.flatten(1))
    assert method.feedback.shape == (10, 64)
    assert 0.9 < method.feedback.abs().max() / (0.05 * (6 / 64) ** 0.5) <= 1
    changed = images.flatten(1) + (posterior - known) @ method.feedback
    second, _, posterior = forward_by_hand(method, changed)
    deltas = [one - other for one, other in zip(first[1:], second[1:], strict=True)]
    deltas.append(posterior - known)
    expected = []
    for layer, delta, seen in zip(
        [*hidden_layers(method), method.head], deltas, second, strict=True
    ):
        expected.append(layer.weight - RATE * delta.T @ seen / len(seen))
        expected.append(layer.bias - RATE * delta.mean(dim=0))
    torch.testing.assert_close(trained(method), [one.detach() for one in expected])


@pytest.mark.parametrize("method", ["fa", "usf", "dfa", "sdfa", "drtp"])
def test_micro_batches_add_up_to_the_batch(method):
    whole, parts = on("mlp", method), on("mlp", method, micro_batches=4)
    torch.testing.assert_close(trained(parts), trained(whole))
    torch.testing.assert_close(parts.drain(), whole.drain())
