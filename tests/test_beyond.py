"""Methods without losses of features, or without a chain of layers, against closed forms."""

from math import sqrt

import pytest
import torch
from networks import batch, losses_of_step
from steps import RATE, check, data, on
from torch.nn import functional as F

from svp_core.config import resolve
from svp_core.config.pairs import ConfigError
from svp_core.methods.noprop import moves, schedule

OPTIONS = {"sharpness": 0.7, "power": 1.4, "hebbian_rate": 5.0, "length": 3.0}


def normalised(x, dims):
    centred = x - x.mean(dim=dims, keepdim=True)
    return centred / (centred.square().mean(dim=dims, keepdim=True) + 1e-5).sqrt()


def hebbian(weight, rows):
    """Return the change of a layer's weights (d, n) for rows (N, n), neuron by neuron."""
    found = torch.zeros_like(weight)
    for x in rows:
        u = weight @ x
        share = (0.7 * u).exp() / (0.7 * u).exp().sum()
        for neuron in range(len(weight)):
            sign = 1 if neuron == int(u.argmax()) else -1
            found[neuron] += sign * share[neuron] * (x - u[neuron] * weight[neuron])
    lengths = weight.square().sum(dim=1).sqrt()
    return found / found.abs().max() * (lengths - 1).abs().sqrt()[:, None]


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_two_layers_of_softhebb_follow_the_closed_form_of_its_rule(model):
    method, (images, labels) = on("softhebb", model, method_options=OPTIONS), data()
    hidden, expected = images, []
    for one in method.stack[:2]:
        weight = one.layer.weight.detach().clone()
        if model == "mlp":
            rows = normalised(hidden.flatten(1), 0)
            drive = rows @ weight.T
        else:
            maps = normalised(hidden, (0, 2, 3))
            rows = F.unfold(maps, 3, padding=1).transpose(1, 2).flatten(0, 1)
            drive = F.conv2d(maps, weight, padding=1)
        change = hebbian(weight.flatten(1), rows).view_as(weight)
        expected.append(weight + 5 * RATE * change)
        hidden = (drive - drive.mean(dim=1, keepdim=True)).clamp(min=0) ** 1.4
        if model == "cnn" and len(expected) == 2:  # the first stage ends here
            hidden = F.max_pool2d(hidden, 2)
    seen = []
    method.stack[2].norm.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    method.set_learning_rate(RATE)
    method.step(images, labels)
    for one, after in zip(method.stack[:2], expected, strict=True):
        torch.testing.assert_close(one.layer.weight.detach(), after)
    torch.testing.assert_close(seen[0], hidden.flatten(1) if model == "mlp" else hidden)


def test_labels_reach_the_head_of_softhebb_alone_and_its_weights_start_long():
    one, other = (on("softhebb", method_options=OPTIONS) for _ in range(2))
    plain = on("bp")
    for layer, block in zip(one.stack, plain.blocks, strict=True):
        weight, of_bp = layer.layer.weight, block[-2].weight
        spread = 3 / sqrt(weight.shape[1])
        torch.testing.assert_close(weight.std(), torch.tensor(spread).double())
        torch.testing.assert_close(weight / weight.std(), of_bp / of_bp.std())
    images, labels = data()
    assert not torch.equal(*(x.head.weight - y for x, y in learnt(one, other, images, labels)))
    assert torch.equal(one.stack[3].layer.weight, other.stack[3].layer.weight)


def learnt(one, other, images, labels):
    """Take a step with labels and one with others; return both with their head before."""
    pairs = [(each, each.head.weight.detach().clone()) for each in (one, other)]
    one.step(images, labels)
    other.step(images, (labels + 1) % 10)
    return pairs


def test_the_chain_of_noprop_keeps_the_law_of_its_labels():
    kept = schedule(10)
    assert kept[0] == 0 and kept == sorted(kept) and 0.999 < kept[-1] < 1
    for before, after in zip(kept, kept[1:], strict=False):
        guess, previous, variance = moves(before, after)
        # of a z_{t-1} with mean sqrt(before) u and variance 1 - before, and a guess that is right
        assert guess + previous * sqrt(before) == pytest.approx(sqrt(after))
        assert previous**2 * (1 - before) + variance == pytest.approx(1 - after)


def noprop_losses(method, images, labels):
    """Yield the losses of the paper as the next step draws them, and what each trains."""
    torch.manual_seed(3)
    known, kept = F.one_hot(labels, 10).double(), schedule(3)
    for place, network in enumerate(method.networks):
        z = sqrt(kept[place]) * known + sqrt(1 - kept[place]) * torch.randn_like(known)
        hidden = network.blocks(images).flatten(1)
        seen = torch.cat([hidden, network.embed(z).clamp(min=0)], dim=1)
        guess = network.mix(seen).softmax(dim=1)
        growth = kept[place + 1] / (1 - kept[place + 1]) - kept[place] / (1 - kept[place])
        distance = (guess - known).square().sum(dim=1).mean()
        yield 3 / 2 * 0.2 * growth * distance, list(network.parameters())
    z = sqrt(kept[3]) * known + sqrt(1 - kept[3]) * torch.randn_like(known)
    yield F.cross_entropy(method.head(z), labels), list(method.head.parameters())
    torch.manual_seed(3)


def test_every_network_of_noprop_follows_its_own_loss():
    check(on("noprop", method_options={"steps": 3, "match_weight": 0.2}), noprop_losses, *data())


@pytest.mark.parametrize("model", ["mlp", "cnn", "resnet", "vit"])
def test_the_networks_of_noprop_are_the_models_with_weights_of_their_own(model):
    method, plain = on("noprop", model, method_options={"steps": 3}), on("bp", model)
    first, *others = (one.blocks.state_dict() for one in method.networks)
    torch.testing.assert_close(first, plain.blocks.state_dict())
    drawn = [key for key in first if first[key].dim() > 1]
    for other in others:
        assert other.keys() == first.keys()
        assert not any(torch.equal(first[key], other[key]) for key in drawn)
    assert not any(torch.equal(others[0][key], others[1][key]) for key in drawn)


def test_noprop_predicts_by_a_chain_of_guesses_the_same_for_every_batch():
    method, (images, _) = on("noprop", method_options={"steps": 2}), data()
    found, z, kept = method.predict(images), method.noise[0], schedule(2)
    alone = method.predict(images[2:3])
    torch.testing.assert_close(found.network[2:3], alone.network)
    for place, network in enumerate(method.networks):
        hidden = network.blocks(images)
        z = z.expand(len(images), 10)
        guess = network.mix(torch.cat([hidden, network.embed(z).relu()], dim=1)).softmax(dim=1)
        torch.testing.assert_close(found.units[place].exp(), guess)
        a, b, c = moves(kept[place], kept[place + 1])
        z = a * guess + b * z + sqrt(c) * method.noise[place + 1]
    torch.testing.assert_close(found.network, method.head(z).log_softmax(dim=1))
    assert torch.equal(found.network, found.rules["sampled"])
    assert not torch.equal(found.network, found.rules["noiseless"])


def test_a_chain_that_guesses_right_reads_the_label():
    method = on("noprop", method_options={"steps": 4}, lr=1.0)
    images, labels = data()
    for _ in range(300):
        method.learn_to_read(F.one_hot(labels, 10).double(), labels)
    right = torch.log(F.one_hot(labels, 10).double() + 1e-12)
    for network in method.networks:
        network.mix = torch.nn.Sequential()
        network.mix.forward = lambda _: right
    assert (method.predict(images).network.argmax(dim=1) == labels).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "vit"}, "model: softhebb is defined for cnn, mlp, vgg, not for vit"),
        ({"recipe": {"micro_batches": 2}}, "method_options.sharpness: a layer learns from a batch"),
        ({"recipe": {"batch_size": 1}}, "method_options.sharpness: batch norm compares the images"),
    ],
)
def test_what_softhebb_cannot_do_is_refused_by_name(settings, message):
    run = {"dataset": "digits", "model": "mlp", "method": "softhebb", "seed": 0}
    with pytest.raises(ConfigError, match=f"^{message}"):
        resolve(run | settings)


def test_the_losses_of_noprop_are_one_a_network_and_that_of_its_readout_stands_beside():
    method, (images, labels) = on("noprop", method_options={"steps": 3}), batch((1, 8, 8))
    assert losses_of_step(method.float(), images, labels).shape == (3,)
    method.step(images, labels)
    assert method.drain()["readout_loss"].shape == ()
