"""Auxiliary networks of units: borrowed blocks, patches of pairs, and what rebuilds the image."""

import pytest
import torch
from networks import SHAPE, build
from steps import SIZES, check, data, on
from torch.nn import functional as F

from svp_core.methods import auglocal, infopro


def test_pairs_gather_the_gradients_of_all_micro_batches():
    images, labels = data()
    twice = [torch.cat([one[:4], one[:4]]) for one in (images, labels)]  # equal parts
    whole, parts = on("hpff", "cnn"), on("hpff", "cnn", micro_batches=2)
    for one in (whole, parts):
        one.step(*twice)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_an_auxiliary_network_of_the_following_weights_brings_the_gradient_of_bp():
    method = on("auglocal", method_options={"auxiliary_depth": 2})
    assert len(method.units) == 2  # one block, then three
    network, rest = method.readouts[0], method.units[1].blocks
    assert [len(list(network)), len(list(rest))] == [3, 3]  # two blocks and a head
    bp = on("bp")
    blocks = build("mlp", SHAPE, **SIZES["mlp"]).blocks
    whole = auglocal.picked(0, 3, len(blocks))
    assert whole == [1, 2, 3]
    copies = [auglocal.borrowed(blocks[i], torch.Size([16]), torch.Size([16])) for i in whole]
    method.readouts[0] = torch.nn.Sequential(*copies, bp.head).double()
    for copy, block in zip(method.readouts[0], list(bp.blocks)[1:], strict=False):
        copy.load_state_dict(block.state_dict())
    loss = F.cross_entropy(method.read(0, data()[0])[1].logits, data()[1])
    own = torch.autograd.grad(loss, list(method.units[0].parameters()))
    loss = F.cross_entropy(bp.logits(data()[0]), data()[1])
    of_bp = torch.autograd.grad(loss, list(bp.blocks[0].parameters()))
    assert all(map(torch.equal, own, of_bp))


def test_auxiliary_depths_and_picks_are_those_of_the_formula():
    assert auglocal.depths(9, 6, 0.5) == [6, 6, 5, 5, 5, 4, 4, 4]
    assert auglocal.depths(2, 3, 0.5) == [3] and auglocal.depths(1, 3, 0.5) == []
    assert auglocal.picked(0, 3, 16) == [5, 10, 15] and auglocal.picked(13, 6, 16) == [14, 15]


@pytest.mark.parametrize("model", SIZES)
def test_borrowed_blocks_have_weights_of_their_own(model):
    blocks = build(model, SHAPE, **SIZES[model]).blocks
    hidden = [torch.randn(2, *SHAPE)]
    for block in blocks:
        hidden.append(block(hidden[-1]))
    before, after = hidden[1], hidden[-1]
    made = auglocal.borrowed(blocks[-1], before.shape[1:], after.shape[1:])
    assert made(before).shape[1] == after.shape[1]
    kinds = [[type(one).__name__ for one in block.modules()] for block in (made, blocks[-1])]
    if model != "cnn":  # where a pooling stands in for the stride
        assert kinds[0] == kinds[1]
    known = {id(one) for one in blocks.parameters()}
    assert not known & {id(one) for one in made.parameters()}


def pairs_of(method, images, labels):
    """Losses of HPFF: own heads, and pairs that start from a constant."""
    weight, blocks = method.options.single_weight, [unit.blocks for unit in method.units]
    given = [images]
    for block in blocks:
        given.append(block(given[-1].detach()))
    for i, head in enumerate(method.readouts):
        loss = weight * F.cross_entropy(head(blocks[i](given[i].detach())), labels)
        yield loss, [*blocks[i].parameters(), *head.parameters()]
    for i, head in enumerate(method.pairs, start=1):
        through = blocks[i](blocks[i - 1](given[i - 1].detach()))
        loss = (1 - weight) * F.cross_entropy(head(through), labels)
        yield loss, [p for one in (blocks[i - 1], blocks[i], head) for p in one.parameters()]


@pytest.mark.parametrize("given", [{}, {"single_weight": 0.4}, {"patches": 1}])
def test_losses_of_hpff_reach_one_unit_back(given):
    check(on("hpff", "cnn", method_options=given), pairs_of, *data())


def test_a_head_of_patches_is_the_mean_of_its_answers():
    method = on("hpff", "cnn").eval()
    hidden = torch.randn(3, 4, 8, 8).double()
    head = method.readouts[0]
    parts = [head.network(hidden[:, :, y : y + 4, x : x + 4]) for y in (0, 4) for x in (0, 4)]
    torch.testing.assert_close(head(hidden), sum(parts) / 4)


def rebuilding(method, images, labels):
    """Losses of InfoPro as stated, with images brought to 0 to 1."""
    given, hidden = method.options, images
    target = (images - images.min()) / (images.max() - images.min())
    for i, (unit, network) in enumerate(zip(method.units, method.readouts, strict=True)):
        hidden = unit.blocks(hidden.detach())
        trained = [*unit.parameters(), *network.parameters()]
        if i == len(method.units) - 1:
            yield F.cross_entropy(network(hidden), labels), trained
            return
        part = i / (len(method.units) - 2)
        keep = given.keep_first * (1 - part) + given.keep_last * part
        tell = given.class_first * (1 - part) + given.class_last * part
        rebuilt = network.rebuild(hidden).sigmoid()
        loss = keep * F.binary_cross_entropy(rebuilt, target)
        embedded = network.embed(hidden)
        if given.loss == "contrast":
            loss = loss + tell * infopro.contrast(embedded, labels, given.temperature)
            loss = loss + F.cross_entropy(network.classify(embedded.detach()), labels)
        else:
            loss = loss + tell * F.cross_entropy(network.classify(embedded), labels)
        yield loss, trained


@pytest.mark.parametrize("loss", ["cross_entropy", "contrast"])
def test_infopro_rebuilds_the_image(loss):
    check(on("infopro", "cnn", method_options={"loss": loss}), rebuilding, *data())


def test_the_contrast_is_that_of_its_definition():
    rows, labels = torch.randn(6, 5).double(), torch.tensor([0, 1, 0, 2, 1, 0])
    unit = rows / rows.norm(dim=1, keepdim=True)
    terms = []
    for i in range(6):
        others = [j for j in range(6) if j != i]
        whole = sum((unit[i] @ unit[j] / 0.5).exp() for j in others)
        same = [
            ((unit[i] @ unit[j] / 0.5).exp() / whole).log()
            for j in others
            if labels[j] == labels[i]
        ]
        terms += [-sum(same) / len(same)] if same else []
    torch.testing.assert_close(infopro.contrast(rows, labels, 0.5), sum(terms) / len(terms))
