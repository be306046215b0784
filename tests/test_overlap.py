"""How far the gradient of a loss reaches: overlap, own_weight and auxiliary networks."""

import pytest
import torch
from networks import SHAPE, batch, build, build_method, count, on_three_blocks, saved
from torch import nn

from svp_core.config import resolve
from svp_core.config.pairs import ConfigError
from svp_core.cost.flops import count_flops
from svp_core.cost.memory import measure_step

PLAIN = {"alignment": "none", "readout": "private", "d0": 12}


def stepped(method: nn.Module, images, labels) -> list[list[torch.Tensor]]:
    """Take a step of SGD at rate 1; return the gradient of every unit, the readout's last."""
    before = [[one.detach().clone() for one in own] for own in method.own]
    method.step(images, labels)
    pairs = zip(before, method.own, strict=True)
    return [[b - a.detach() for b, a in zip(old, own, strict=True)] for old, own in pairs]


def expected(method, images, labels, overlap: int, own_weight: float) -> list[list[torch.Tensor]]:
    """The same from its definition: the loss of unit i recomputed from where it begins to count."""
    hidden, found = [images], [[torch.zeros_like(p) for p in own] for own in method.own]
    for index in range(len(method.units)):
        first = max(0, index - overlap)
        value = hidden[first]
        for place in range(first, index + 1):
            value, reading = method.read(place, value)
        loss = method.local_loss(reading, None, labels)
        hidden.append(value.detach())
        for place in range(first, index + 1):
            given = torch.autograd.grad(
                loss, method.own[place], retain_graph=True, allow_unused=True
            )
            is_own = place == index < len(method.units) - 1
            blocks = {id(one) for one in method.units[place].blocks.parameters()}
            for weights, total, one in zip(method.own[place], found[place], given, strict=True):
                weight = (
                    own_weight if is_own and id(weights) in blocks else 1.0
                )  # a head has no other
                total += 0 if one is None else weight * one
    return found


@pytest.mark.parametrize("update", ["fused", "after"])
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize(("overlap", "own_weight"), [(0, 1.0), (1, 1.0), (1, 0.25), (2, 1.0)])
def test_a_loss_trains_so_many_units_before_its_own(overlap, own_weight, parts, update):
    options = PLAIN | {"overlap": overlap, "own_weight": own_weight, "update": update}
    method = on_three_blocks(
        method_options=options, lr=1.0, momentum=0.0, warmup_epochs=0, micro_batches=parts
    )
    images, labels = batch(SHAPE)
    wanted = expected(method, images, labels, overlap, own_weight)
    found = stepped(method, images, labels)
    for one, other in zip(sum(found, []), sum(wanted, []), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("overlap", [0, 1, 2])
def test_a_unit_is_independent_of_units_that_its_losses_do_not_reach(overlap):
    methods = [on_three_blocks(method_options=PLAIN | {"overlap": overlap}) for _ in range(2)]
    with torch.no_grad():
        for one in methods[1].own[2]:
            one.add_(1.0)
    first, second = (stepped(method, *batch(SHAPE))[0] for method in methods)
    is_local = all(map(torch.equal, first, second))
    assert is_local == (overlap < 2)


def test_the_whole_network_without_own_losses_is_backpropagation():
    method = on_three_blocks(
        method_options=PLAIN | {"overlap": 2, "own_weight": 0.0}, lr=1.0, momentum=0.0
    )
    images, labels = batch(SHAPE)
    hidden, losses = images, []
    for index in range(3):
        hidden, reading = method.read(index, hidden)
        losses.append(method.local_loss(reading, None, labels))
    blocks = [list(unit.blocks.parameters()) for unit in method.units]
    # unit 1 hears from losses 2 and 3, unit 2 from loss 3: without the middle loss it is BP
    wanted = torch.autograd.grad(losses[2], blocks[1] + blocks[2], retain_graph=True)
    found = stepped(method, images, labels)
    size = len(blocks[1])
    for one, other in zip(found[1][:size] + found[2][:size], wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_batch_norms_and_their_statistics_see_a_batch_once():
    model = {"depth": 4, "width": 4, "stages": 2}
    norms = []
    for overlap in (0, 2):
        method = build_method(
            build("cnn", **model), "svp", method_options=PLAIN | {"overlap": overlap}
        )
        method.step(*batch((3, 32, 32)))
        norms.append([m for m in method.modules() if isinstance(m, nn.BatchNorm2d)])
    assert torch.equal(norms[0][0].running_mean, norms[1][0].running_mean)
    assert all(norm.num_batches_tracked == 1 for norm in norms[1])


@pytest.mark.parametrize("overlap", [0, 1, 2])
def test_memory_holds_the_units_that_are_reached_and_stays_flat_in_depth(overlap):
    peaks = []
    for depth in (6, 12):
        model = build("mlp", SHAPE, depth=depth, width=32)
        method = build_method(model, "svp", method_options=PLAIN | {"overlap": overlap})
        peaks.append(measure_step(method, *batch(SHAPE, 64))["activations"])
    assert peaks[0] == peaks[1]
    if overlap:
        method = build_method(build("mlp", SHAPE, depth=6, width=32), "svp", method_options=PLAIN)
        alone = measure_step(method, *batch(SHAPE, 64))["activations"]
        assert alone < peaks[0] < (overlap + 1.5) * alone


def test_every_pass_back_is_counted():
    flops = [
        count_flops(on_three_blocks(method_options=PLAIN | {"overlap": n}), *batch(SHAPE))
        for n in (0, 1, 2)
    ]
    # of images of 64 pixels, batch 8: a weight gradient costs 64 x 16 or 16 x 16 products, and the
    # gradient of an input 16 x 16 (the image needs none)
    inner, first = 2 * 8 * 16 * 16, 2 * 8 * 64 * 16
    assert flops[1] - flops[0] == (inner + first) + (inner + inner)
    assert flops[2] - flops[1] == inner + first


@pytest.mark.parametrize("auxiliary", ["fresh", "ema"])
@pytest.mark.parametrize("model", ["cnn", "vit", "mlp"])
def test_an_auxiliary_network_is_read_and_the_next_unit_is_not_trained(auxiliary, model):
    sizes = {"cnn": {"depth": 4, "width": 4}, "vit": {"depth": 3, "width": 8, "patch": 16}}
    options = PLAIN | {"auxiliary": auxiliary}
    method = build_method(
        build(model, **sizes.get(model, {"depth": 3, "width": 8})), "svp", method_options=options
    )
    assert method.units[-1].auxiliary is None and method.units[0].auxiliary is not None
    images, labels = batch((3, 32, 32))
    hidden, reading = method.read(0, images)
    method.loss(reading.logits, labels).backward()
    assert all(one.grad is not None for one in method.units[0].blocks.parameters())
    assert all(one.grad is None for one in method.units[1].blocks.parameters())
    frozen = auxiliary == "ema"
    assert all((one.grad is None) == frozen for one in method.units[0].auxiliary.parameters())
    method.step(images, labels)


def test_an_average_follows_the_next_unit():
    options = PLAIN | {"auxiliary": "ema", "auxiliary_momentum": 0.75}
    method = on_three_blocks(method_options=options)
    average, following = method.units[0].auxiliary, method.units[1].blocks
    before = [one.clone() for one in average.copies.parameters()]
    assert all(map(torch.equal, before, following.parameters()))
    method.step(*batch(SHAPE))
    pairs = zip(before, average.copies.parameters(), following.parameters(), strict=True)
    for old, new, weight in pairs:
        torch.testing.assert_close(new, 0.75 * old + 0.25 * weight.detach())
        assert not torch.equal(old, weight)


def test_an_overlap_that_no_unit_has_before_it_is_refused_also_without_a_depth():
    with pytest.raises(ConfigError, match="overlap: no unit of 3 has 3 before it"):
        on_three_blocks(method_options=PLAIN | {"overlap": 3})


def test_a_head_is_trained_by_its_own_loss_whatever_that_weighs_for_the_blocks():
    method = on_three_blocks(method_options=PLAIN | {"overlap": 1, "own_weight": 0.0})
    before = [readout.weight.detach().clone() for readout in method.readouts]
    method.step(*batch(SHAPE))
    assert not any(map(torch.equal, before, (one.weight for one in method.readouts)))


def test_a_fresh_copy_has_weights_of_its_own_the_same_for_a_seed():
    methods = [on_three_blocks(method_options=PLAIN | {"auxiliary": "fresh"}) for _ in range(2)]
    copies = [list(method.units[0].auxiliary.parameters()) for method in methods]
    following = list(methods[0].units[1].blocks.parameters())
    assert all(map(torch.equal, *copies))
    assert not any(map(torch.equal, copies[0], following))
    assert count(methods[0].units[0].auxiliary) == count(methods[0].units[1].blocks)


@pytest.mark.parametrize("options", [{"overlap": 1}, {"auxiliary": "ema"}, {"auxiliary": "fresh"}])
def test_a_state_continues_with_the_same_numbers(options):
    whole, continued = (on_three_blocks(method_options=PLAIN | options) for _ in range(2))
    whole.step(*batch(SHAPE))
    continued.load_state(saved(whole))
    for method in (whole, continued):
        method.step(*batch(SHAPE))
    pairs = zip(whole.parameters(), continued.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("overlap: 4", "method_options.overlap: no unit of 3 has 4 before it"),
        ("own_weight: 0.5", "method_options.own_weight: without an overlap"),
        ("auxiliary_depth: 2", "method_options.auxiliary_depth: an option of the auxiliary fresh"),
        ("momentum: 0.5", "method_options.momentum: an option of the readout cosine or lda or qda"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options, message):
    key, value = options.split(": ")
    run = {"dataset": "digits", "model": "mlp", "method": "svp", "seed": 0}
    with pytest.raises(ConfigError, match=message):
        resolve(run | {"method_options": {key: float(value) if "." in value else int(value)}})
