"""Units with auxiliary networks against autograd of what their docstrings state, and limits."""

import pytest
import torch
from networks import SHAPE, batch, build, build_method
from torch.nn import functional as F

from svp_core.config import options, resolve
from svp_core.config.pairs import ConfigError
from svp_core.methods import auglocal, infopro

RATE = 0.05
SIZES = {"mlp": {"depth": 4, "width": 16}, "cnn": {"depth": 4, "width": 4}}
SIZES |= {"resnet": {"depth": 4, "width": 4}, "vit": {"depth": 3, "width": 16}}


def on(method: str, model: str = "mlp", seed: int = 0, **given):
    settings = {"image_shape": SHAPE, "lr": RATE, "momentum": 0.0} | given
    return build_method(build(model, SHAPE, seed, **SIZES[model]), method, **settings).double()


def data():
    images, labels = batch(SHAPE)
    return images.double(), labels


def moved(method, images, labels):
    """Take a step; return what went into every trained parameter, its gradient, by its name."""
    trained = {name: one for name, one in method.named_parameters() if one.requires_grad}
    before = {name: one.detach().clone() for name, one in trained.items()}
    method.step(images, labels)
    return {name: (before[name] - one.detach()) / RATE for name, one in trained.items()}


def check(method, losses, images, labels):
    """Compare a step with autograd of losses, each with the parameters that it trains."""
    expected = {name: torch.zeros_like(one) for name, one in method.named_parameters()}
    names = {one: name for name, one in method.named_parameters()}
    for loss, trained in losses(method, images, labels):
        trained = [one for one in trained if one.requires_grad]
        found = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
        for one, gradient in zip(trained, found, strict=True):
            if gradient is not None:
                expected[names[one]] += gradient
    for name, gradient in moved(method, images, labels).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-6, atol=1e-10, msg=name)


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
