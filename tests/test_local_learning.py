"""SVP against formulas written by hand, and what makes it local."""

import numpy as np
import pytest
import torch
from networks import losses_of_step
from torch import nn
from torch.nn import functional as F

from svp_core.config import resolve
from svp_core.methods import Predictions
from svp_core.training.evaluation import evaluate
from svp_core.training.run import build_method


def config(**changes) -> dict:
    run = {"dataset": "digits", "model": "mlp", "method": "svp", "seed": 0}
    return resolve(run | {"model_options": {"depth": 3, "width": 16}} | changes)


def batch(size: int = 8, dtype=torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(size, 1, 8, 8, generator=generator, dtype=dtype)
    return images, torch.randint(0, 10, (size,), generator=generator)


def build(**changes):
    return build_method(config(**changes), torch.device("cpu"))


def weights(unit) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in unit.parameters()]


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def test_a_step_is_the_hand_written_formula():
    lr, beta, std = 0.05, 0.7, 2.0
    options = {"beta": beta, "alignment_std": std, "scale": 1.5}
    recipe = {"optimizer": "sgd", "momentum": 0.0, "lr": lr}
    method = build(method_options=options, recipe=recipe).double()
    images, labels = batch(dtype=torch.float64)
    before = [[w.numpy() for w in weights(unit)] for unit in method.units]
    projections = [unit.projection.numpy() for unit in method.units]

    losses = losses_of_step(method, images, labels)

    hidden, previous = images.flatten(1).numpy(), None
    wanted = np.eye(10)[labels.numpy()]
    size = len(wanted)
    for unit, (weight, bias), projection, loss in zip(
        method.units, before, projections, losses, strict=True
    ):
        z = hidden @ weight.T + bias
        activation = np.maximum(z, 0)
        v = activation @ projection.T
        expected = -np.mean(np.log((softmax(v) * wanted).sum(axis=1)))
        d_v = (softmax(v) - wanted) / size
        if previous is not None:
            expected += beta * np.mean(((v - previous) ** 2).sum(axis=1)) / (2 * std**2)
            d_v += beta * (v - previous) / std**2 / size
        d_z = (d_v @ projection) * (z > 0)
        after = [w.numpy() for w in weights(unit)]
        np.testing.assert_allclose(loss, expected, rtol=1e-12)
        np.testing.assert_allclose(after[0], weight - lr * d_z.T @ hidden, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(after[1], bias - lr * d_z.sum(axis=0), rtol=1e-10, atol=1e-14)
        hidden, previous = activation, v


@pytest.mark.parametrize("model", ["mlp", "cnn", "vit"])
@pytest.mark.parametrize("alignment", ["none", "gaussian_kl", "bhattacharyya"])
def test_no_gradient_crosses_a_unit(model, alignment):
    changes = {"model": model, "method_options": {"alignment": alignment}, "model_options": {}}
    if model == "mlp":
        changes["model_options"] = {"depth": 4, "width": 16}
    plain, disturbed = build(**changes), build(**changes)
    with torch.no_grad():
        for parameter in disturbed.units[2].parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    for method in (plain, disturbed):
        method.step(*batch())
    for index, (one, other) in enumerate(zip(plain.units, disturbed.units, strict=True)):
        same = all(map(torch.equal, weights(one), weights(other)))
        assert same == (index < 2)


def test_a_unit_keeps_no_gradient_and_no_graph_after_its_update():
    method = build()
    losses = losses_of_step(method, *batch())
    assert not losses.requires_grad
    assert all(parameter.grad is None for parameter in method.parameters())


@pytest.mark.parametrize("model", ["mlp", "cnn", "vit"])
def test_one_unit_without_alignment_is_bp_with_a_frozen_head(model):
    depth = 2
    sizes = {"depth": depth, "width": 16}
    options = {"beta": 0.0, "blocks": depth, "step": "plain"}  # the fast one rounds otherwise
    recipe = {"optimizer": "adamw", "lr": 0.01}
    changes = {"model": model, "model_options": sizes, "recipe": recipe}
    local = build(method_options=options, **changes)
    frozen = build(method="bp", **changes)
    (unit,) = local.units
    with torch.no_grad():
        frozen.head.weight.copy_(unit.projection)
        frozen.head.bias.zero_()
    frozen.head.requires_grad_(False)
    for _ in range(3):
        assert torch.equal(losses_of_step(local, *batch()), losses_of_step(frozen, *batch()))
    assert all(map(torch.equal, weights(unit.blocks), weights(frozen.blocks)))


def test_bp_is_plain_backpropagation():
    method = build(method="bp", recipe={"optimizer": "sgd", "momentum": 0.9, "lr": 0.1})
    network = nn.Sequential(
        *[layer for block in build(method="bp").blocks for layer in block], nn.Linear(16, 10)
    )
    network[-1].load_state_dict(method.head.state_dict())
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    images, labels = batch()
    for _ in range(3):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        (found,) = losses_of_step(method, images, labels)
        torch.testing.assert_close(found, loss.detach())


def test_paired_seeds_share_initial_weights():
    local, baseline = build(), build(method="bp")
    for unit, block in zip(local.units, baseline.blocks, strict=True):
        assert all(map(torch.equal, weights(unit), weights(block)))
    other = build(seed=1)
    assert not torch.equal(weights(local.units[0])[0], weights(other.units[0])[0])
    assert not torch.equal(local.units[0].projection, other.units[0].projection)


@pytest.mark.parametrize("method", ["bp", "svp", "sll", "predsim", "local_lda"])
@pytest.mark.parametrize("model", ["mlp", "cnn", "vit"])
def test_every_method_learns_a_batch_with_every_model(model, method):
    trained = build(model=model, method=method, model_options={})
    images, labels = batch()
    before = [F.nll_loss(one, labels) for one in trained.predict(images).units]
    for _ in range(30):
        assert losses_of_step(trained, images, labels).isfinite().all()
    after = [F.nll_loss(one, labels) for one in trained.predict(images).units]
    assert all(now < then for now, then in zip(after, before, strict=True))


def test_sll_is_svp_with_the_bhattacharyya_surrogate():
    preset = build(method="sll")
    spelled_out = build(method_options={"alignment": "bhattacharyya"})
    losses = [losses_of_step(one, *batch()) for one in (preset, spelled_out)]
    assert torch.equal(*losses)


def test_unit_accuracies_are_those_of_each_readout():
    class Known:
        device = torch.device("cpu")

        def __len__(self):
            return 4

        def in_order(self, batch_size):
            yield torch.eye(4), torch.arange(4)

    class Predictor(nn.Module):
        def predict(self, images):
            units = [torch.zeros_like(images), images]
            return Predictions(units, -images, {"mean": images})

    found = evaluate(Predictor(), Known(), [])
    assert found == {
        "test_accuracy": 0.0,
        "unit_accuracy": [25.0, 100.0],
        "metrics": {"accuracy_mean": 100.0},
    }
