"""The local loss against its formulas, and what makes it local."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from networks import SHAPE, batch, build, build_method, losses_of_step, on_three_blocks
from torch.nn import functional as F

from svp_core.config import resolve
from svp_core.config.pairs import ConfigError
from svp_core.cost.flops import count_flops
from svp_core.cost.memory import measure_step
from svp_core.methods.predsim import Compared, Head, averages, cells, similarity_loss
from svp_core.train import main

LOSSES = ["predsim", "pred", "sim"]
SIZES = {
    "mlp": {"depth": 3, "width": 16},
    "cnn": {"depth": 4, "width": 4, "stages": 2},
    "resnet": {"width": 4},
    "vit": {"depth": 3, "width": 16},
}


def on(model: str, recipe: dict | None = None, **options):
    """Return the method on a small model for images of SHAPE."""
    network = build(model, SHAPE, **SIZES[model])
    settings = {"method_options": options, "image_shape": SHAPE} | (recipe or {})
    return build_method(network, "predsim", **settings)


def cosines(rows: np.ndarray) -> np.ndarray:
    """Similarities of all pairs of rows, each less its mean."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows = rows / (np.sqrt((rows**2).sum(axis=1, keepdims=True)) + 1e-8)
    return np.clip(rows @ rows.T, -1, 1)


@pytest.mark.parametrize("classes", [2, 10])
def test_the_similarity_loss_is_the_formula(classes):
    features = torch.randn(12, 7, generator=torch.Generator().manual_seed(0)).double()
    labels = torch.arange(12) % classes
    expected = np.mean((cosines(features.numpy()) - cosines(np.eye(classes)[labels])) ** 2)
    found = similarity_loss(features, labels, classes)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_features_that_are_as_similar_as_their_labels_cost_nothing():
    labels = torch.arange(8) % 4
    corners = 3 * F.one_hot(labels, 4).double() + torch.arange(8)[:, None]
    assert similarity_loss(corners, labels, 4) < 1e-12
    assert similarity_loss(corners, labels.sort().values, 4) > 0.1


def test_equal_features_are_wrong_by_two_for_every_pair_of_two_classes():
    features = torch.arange(5.0).double().expand(6, 5)
    expected = torch.tensor(0.5 * 2**2).double()  # half of all pairs have 1 for -1
    torch.testing.assert_close(similarity_loss(features, torch.arange(6) % 2, 2), expected)


def test_dead_features_have_a_finite_gradient():
    features = torch.zeros(4, 6, requires_grad=True)
    similarity_loss(features, torch.arange(4), 4).backward()
    assert features.grad.isfinite().all()
    maps = torch.zeros(4, 6, 3, 3, requires_grad=True)
    Compared(maps.shape[1:])(maps).sum().backward()
    assert maps.grad.isfinite().all()


def test_what_is_compared_of_maps_tokens_and_vectors():
    def of(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
        compare = Compared(hidden.shape[1:])
        return compare(hidden), compare.layer(hidden)

    found, maps = of(5, 4, 3)
    centred = maps - maps.mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(found, (centred.square().sum(dim=(2, 3)) / 11).sqrt())
    found, tokens = of(6, 5)
    centred = tokens - tokens.mean(dim=1, keepdim=True)
    torch.testing.assert_close(found, (centred.square().sum(dim=1) / 5).sqrt())
    for shape in ((3, 4, 4), (5, 1, 4), (1, 8), (8,)):  # few channels, one row, one token, a vector
        found, whole = of(*shape)
        assert torch.equal(found, whole.flatten(1))


@pytest.mark.parametrize(
    ("shape", "limit", "cell", "features"),
    [
        ((32, 8, 8), 2048, (1, 1), 2048),
        ((128, 32, 32), 2048, (8, 8), 2048),
        ((256, 16, 16), 2048, (8, 4), 2048),
        ((512, 8, 8), 2048, (4, 4), 2048),
        ((64, 7, 5), 2048, (2, 1), 64 * 4 * 5),
        ((64, 7, 5), 1000, (2, 2), 64 * 4 * 3),
        ((4096, 3, 3), 2048, (4, 4), 4096),  # no map has fewer features than channels
        ((16, 1, 32), 128, (4, 4), 128),
    ],
)
def test_cells_double_by_turns_until_the_features_are_few(shape, limit, cell, features):
    assert cells(shape, limit) == (cell, features)
    assert averages(torch.zeros(2, *shape), cell).shape == (2, features)


def test_a_cell_at_the_border_averages_what_it_holds():
    hidden = torch.arange(15.0).view(1, 1, 3, 5)
    halves = [(slice(0, 2), slice(2, 3)), (slice(0, 2), slice(2, 4), slice(4, 5))]
    expected = [hidden[0, 0, rows, columns].mean() for rows in halves[0] for columns in halves[1]]
    torch.testing.assert_close(averages(hidden, (2, 2)), torch.stack(expected)[None])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("model", SIZES)
def test_at_first_no_image_is_told_from_another(model, loss):
    method = on(model, loss=loss)
    assert all(not one.linear.weight.any() for one in method.readouts)
    for prediction in method.predict(batch(SHAPE)[0]).units:
        assert torch.equal(prediction, prediction[:1].expand_as(prediction))


def by_hand(unit, head: Head, hidden, labels, loss: str) -> torch.Tensor:
    """Return the loss of a unit of an mlp or cnn, by the layers' weights, of its detached input."""
    output = unit.blocks(hidden)
    seen = output.detach() if loss == "sim" else output
    prediction = F.cross_entropy(F.linear(seen.flatten(1), *head.linear.parameters()), labels)
    if loss == "pred":
        return prediction
    (weight,) = unit.compare.parameters()
    if output.dim() == 2:
        found = output @ weight.T
    else:
        found = F.conv2d(output, weight, padding=1).flatten(2).var(dim=2, correction=1).sqrt()
    rows = found - found.mean(dim=1, keepdim=True)
    wanted = F.one_hot(labels, 10).double() - 0.1
    wanted, rows = (one / one.norm(dim=1, keepdim=True) for one in (wanted, rows))
    similarity = (rows @ rows.T - wanted @ wanted.T).square().mean()
    return similarity + prediction if loss == "sim" else 0.9 * similarity + 0.1 * prediction


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_step_follows_the_gradients_of_every_units_own_loss(model, loss):
    recipe = {"lr": 0.05, "momentum": 0.0}
    method = on(model, recipe, loss=loss, sim_weight=0.9).double()
    images, labels = batch(SHAPE)
    images = images.double()
    method.step(images, labels)  # the heads are 0 before it, and blind
    hidden, expected = images, []
    for unit, head in zip(method.units, method.readouts, strict=True):
        own = [*unit.parameters(), *head.parameters()]
        value = by_hand(unit, head, hidden, labels, loss)
        gradients = torch.autograd.grad(value, own)
        after = [p - 0.05 * g for p, g in zip(own, gradients, strict=True)]
        expected.append((value.detach(), after))
        hidden = unit.blocks(hidden).detach()
    losses = losses_of_step(method, images, labels)
    for index, (value, after) in enumerate(expected):
        found = [*method.units[index].parameters(), *method.readouts[index].parameters()]
        torch.testing.assert_close(losses[index], value, rtol=1e-6, atol=0)
        torch.testing.assert_close([p.detach() for p in found], after, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("model", ["cnn", "vit"])
def test_no_gradient_crosses_a_unit(model, loss):
    plain, disturbed = on(model, loss=loss), on(model, loss=loss)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in [*disturbed.units[1].parameters(), *disturbed.readouts[1].parameters()]:
            parameter += 0.1 * torch.randn_like(parameter)
    for method in (plain, disturbed):
        for _ in range(2):
            method.step(*batch(SHAPE))
    for index, pair in enumerate(zip(plain.units, disturbed.units, strict=True)):
        assert all(map(torch.equal, *(one.parameters() for one in pair))) == (index < 1)


def test_the_heads_of_sim_leave_the_blocks_alone():
    plain, disturbed = on("cnn", loss="sim"), on("cnn", loss="sim")
    with torch.no_grad():
        for head in disturbed.readouts:
            head.linear.weight += 1
    for method in (plain, disturbed):
        method.step(*batch(SHAPE))
    assert all(map(torch.equal, plain.units.parameters(), disturbed.units.parameters()))
    for one, other in zip(plain.readouts, disturbed.readouts, strict=True):
        assert not torch.equal(one.linear.weight, other.linear.weight)


def test_initial_blocks_are_those_of_every_method():
    method, baseline = on("cnn"), build("cnn", SHAPE, **SIZES["cnn"])
    for unit, block in zip(method.units, baseline.blocks, strict=True):
        assert all(map(torch.equal, unit.blocks.parameters(), block.parameters()))


def test_both_schedules_give_identical_numbers():
    methods = [on("cnn", {"optimizer": "adamw"}, update=one) for one in ("fused", "after")]
    for _ in range(3):
        assert torch.equal(*(losses_of_step(one, *batch(SHAPE)) for one in methods))
    assert all(map(torch.equal, *(one.state_dict().values() for one in methods)))


def test_pairs_of_images_never_leave_their_micro_batch():
    images, labels = batch(SHAPE)
    halves = zip(images.chunk(2), labels.chunk(2), strict=True)
    losses = [losses_of_step(on("mlp"), *half)[0] for half in halves]
    found = losses_of_step(on("mlp", {"micro_batches": 2}), images, labels)[0]
    torch.testing.assert_close(found, sum(losses) / 2)
    assert not torch.isclose(found, losses_of_step(on("mlp"), images, labels)[0])


def test_micro_batches_of_pred_add_up_to_the_batch():
    whole, parts = on("mlp", loss="pred"), on("mlp", {"micro_batches": 4}, loss="pred")
    for _ in range(2):
        losses = [losses_of_step(one, *batch(SHAPE)) for one in (whole, parts)]
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(whole.state_dict(), parts.state_dict())


def test_what_compares_is_left_out_of_predictions():
    method = on("cnn")
    for _ in range(3):
        method.step(*batch(SHAPE))
    images, calls = batch(SHAPE)[0], []
    for unit in method.units:
        unit.compare.register_forward_hook(lambda *_: calls.append(1))
    method.eval().predict(images)
    assert not calls
    method.train().step(*batch(SHAPE))
    assert len(calls) == 4


def test_blocks_form_units_of_the_last_ones_shape():
    method = on("cnn", blocks=3)
    assert [len(unit.blocks) for unit in method.units] == [3, 1]
    assert [unit.compare.layer.in_channels for unit in method.units] == [8, 8]
    assert [one.linear.in_features for one in method.readouts] == [8 * 4 * 4, 8 * 2 * 2]
    assert on("cnn", pool_features=32).readouts[0].linear.in_features == 32


def test_torch_counts_the_closed_form_of_an_mlp():
    images, classes = 8, 10
    found = count_flops(on_three_blocks("predsim"), *batch(SHAPE, images))
    macs = 0
    for before, width in pairwise([64, 16, 16, 16]):
        macs += 2 * before * width  # forward, weights; the input is a constant
        macs += 3 * width * (width + classes)  # what compares, the head; forward and two gradients
        macs += 3 * images * width  # a row of S; its two factors have a gradient each
    assert found == 2 * images * macs


def test_activations_do_not_grow_with_depth():
    networks = (build("mlp", SHAPE, depth=depth, width=16) for depth in (3, 9))
    methods = (build_method(one, "predsim", image_shape=SHAPE) for one in networks)
    shallow, deep = (measure_step(one, *batch(SHAPE))["activations"] for one in methods)
    assert shallow == deep


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("model", SIZES)
def test_bfloat16_keeps_losses_and_weights_in_float32(model, loss):
    plain, mixed = (on(model, {"precision": p}, loss=loss) for p in ("float32", "bfloat16"))
    losses = [losses_of_step(one, *batch(SHAPE)) for one in (plain, mixed)]
    assert losses[1].dtype == torch.float32
    torch.testing.assert_close(*losses, rtol=0.1, atol=0.05)
    assert all(parameter.dtype == torch.float32 for parameter in mixed.parameters())
    assert mixed.predict(batch(SHAPE)[0]).network.dtype == torch.float32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method_options": {"blocks": 4}}, "method_options.blocks: 4 exceeds depth 3"),
        (
            {"recipe": {"batch_size": 8, "micro_batches": 8}},
            "method_options.loss: predsim compares the images of a micro-batch, here one",
        ),
    ],
)
def test_the_impossible_is_refused(settings, message):
    run = {"dataset": "digits", "model": "mlp", "method": "predsim", "seed": 0}
    with pytest.raises(ConfigError, match=message):
        resolve(run | settings)


@pytest.mark.parametrize("loss", LOSSES)
def test_digits_are_learned_by_every_unit(tmp_path, loss):
    output = tmp_path / "run.json"
    settings = ["dataset=digits", "model=cnn", "method=predsim", "seed=0", "recipe.epochs=4"]
    settings += ["model_options.width=16", "recipe.lr=0.003", f"method_options.loss={loss}"]
    assert main([*settings, "--output", str(output), "--threads", "1"]) == 0
    record = json.loads(output.read_text())
    first, last = record["curves"][0], record["curves"][-1]
    assert record["test_accuracy"] == last["unit_accuracy"][-1] > 85
    assert min(last["unit_accuracy"]) > 80
    assert all(map(float.__lt__, last["unit_loss"], first["unit_loss"]))
