"""Schedules that save memory or time give the numbers of the plain step."""

import pytest
import torch
from networks import batch, build, build_method, losses_of_step

from svp_core import methods
from svp_core.config import resolve
from svp_core.config.pairs import ConfigError
from svp_core.runtime import activation_checkpointing

SIZES = {
    "mlp": {"depth": 5, "width": 12},
    "cnn": {"depth": 4, "width": 4, "stages": 2},
    "vit": {"depth": 4, "width": 16, "heads": 2, "patch": 8},
}


def trained(
    model: str, method: str, steps: int = 3, recipe: dict | None = None, **settings
) -> tuple:
    """Return a method after some steps, and its last losses."""
    recipe = {"optimizer": "adamw", "lr": 0.01} | (recipe or {})
    network = build(model, **SIZES[model])
    trained = build_method(network, method, method_options=settings, **recipe)
    for _ in range(steps):
        losses = losses_of_step(trained, *batch((3, 32, 32)))
    return trained, losses


def state(method: methods.Method) -> dict:
    """What training changed; how many batches a norm has seen decides nothing."""
    return {key: value for key, value in method.state_dict().items() if "num_batches" not in key}


@pytest.mark.parametrize("model", SIZES)
@pytest.mark.parametrize(
    "settings",
    [
        {"activation_checkpointing": "blocks"},
        {"activation_checkpointing": "segments"},
        {"update": "fused"},
        {"activation_checkpointing": "blocks", "update": "fused"},
    ],
)
def test_bp_trains_the_same_network_to_the_last_bit(model, settings):
    plain, losses = trained(model, "bp")
    other, other_losses = trained(model, "bp", **settings)
    assert torch.equal(losses, other_losses)
    expected, found = state(plain), state(other)
    assert all(torch.equal(value, found[key]) for key, value in expected.items())


@pytest.mark.parametrize("model", ["mlp", "vit"])
@pytest.mark.parametrize("method", ["bp", "svp"])
def test_micro_batches_add_up_to_the_batch(model, method):
    whole, losses = trained(model, method, recipe={"optimizer": "sgd"})
    parts, sums = trained(model, method, recipe={"optimizer": "sgd", "micro_batches": 4})
    torch.testing.assert_close(sums, losses)
    torch.testing.assert_close(state(parts), state(whole))


@pytest.mark.parametrize("readout", ["identity", "private", "shared"])
def test_svp_after_the_sweep_equals_svp_fused(readout):
    fused, losses = trained("cnn", "svp", readout=readout)
    after, other = trained("cnn", "svp", readout=readout, update="after")
    assert len(after.optimizers) == 1 and torch.equal(losses, other)
    assert all(torch.equal(value, state(after)[key]) for key, value in state(fused).items())


def test_fused_bp_frees_gradients_during_the_backward_pass():
    method, _ = trained("mlp", "bp", update="fused")
    assert all(parameter.grad is None for parameter in method.parameters())
    assert len(method.optimizers) == len(list(method.parameters()))


@pytest.mark.parametrize(
    ("name", "depth", "lengths"),
    [("none", 5, [5]), ("blocks", 3, [1, 1, 1]), ("segments", 9, [3] * 3), ("segments", 5, [3, 2])],
)
def test_segments_hold_all_blocks_in_order(name, depth, lengths):
    blocks = [torch.nn.Identity() for _ in range(depth)]
    segments = activation_checkpointing.segments(blocks, name)
    assert [len(segment) for segment in segments] == lengths
    assert [block for segment in segments for block in segment] == blocks


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": {"batch_size": 64, "micro_batches": 3}}, "recipe.micro_batches: 3 parts of 64"),
        (
            {"recipe": {"micro_batches": 2}, "method_options": {"update": "fused"}},
            "method_options.update: fused into a backward pass",
        ),
    ],
)
def test_impossible_parts_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        resolve({"dataset": "digits", "model": "mlp", "method": "bp", "seed": 0} | changes)
