"""The fast step of svp has the numbers of the plain one, and says that it ran."""

from copy import deepcopy

import pytest
import torch
from networks import SHAPE, batch, build, build_method, losses_of_step, saved
from torch import nn, optim

from svp_core.adamw import AdamW
from svp_core.config import options, resolve
from svp_core.config.pairs import ConfigError
from svp_core.cost.flops import count_flops
from svp_core.local import load
from svp_core.methods.svp import SERVED

SIZES = {
    "mlp": {"depth": 4, "width": 16},
    "cnn": {"depth": 4, "width": 4, "stages": 2},
    "vgg": {"width": 0.04, "classifier": [8, 8]},
    "vit": {"depth": 3, "width": 16, "heads": 2, "patch": 4},
}
IMAGES = {"vgg": (1, 16, 16)}
SETTINGS = {
    "default": {},
    "codebook": {"readout": "codebook", "d0": 12, "alignment": "none"},
    "few rows": {"readout": "codebook", "d0": 4},
    "lda": {"readout": "lda", "d0": 40, "shrinkage": 3.0, "alignment": "none"},
    "lda, kl": {"readout": "lda", "d0": 4, "shrinkage": 3.0, "alignment": "kl"},
    "private": {"readout": "private", "d0": 40, "alignment": "bhattacharyya", "update": "after"},
    "shared": {"readout": "shared", "d0": 12, "beta": 0.3, "alignment_std": 2.0},
    "dropout": {"dropout": 0.3, "noise": 0.2, "scale": 4.0},
    "units of two": {"blocks": 2, "projection": "rademacher"},
    "posterior": {"target": "posterior"},
    "identity": {"projection": "identity", "readout": "private", "alignment": "none"},
    "fresh": {"auxiliary": "fresh"},
    "ema": {"auxiliary": "ema", "readout": "shared", "d0": 12, "inference": "stacked"},
}


def trained(model: str, step: str, chosen: dict, device: str = "cpu", **recipe) -> tuple:
    """Return losses, and the state, after three steps of the same noise."""
    shape = IMAGES.get(model, SHAPE)
    network = build(model, shape, **SIZES[model])
    recipe = {"lr": 0.05, "momentum": 0.0} | recipe
    method = build_method(
        network, "svp", method_options=chosen | {"step": step}, image_shape=shape, **recipe
    ).to(device)
    images, labels = (one.to(device) for one in batch(shape))
    if recipe.get("precision") != "bfloat16" and chosen.get("target") != "posterior":
        method, images = method.double(), images.double()
    torch.manual_seed(0)
    losses = [losses_of_step(method, images, labels) for _ in range(3)]
    assert (method.fast is None) == (step == "plain")
    return torch.stack(losses), method.state_dict()


def check(model: str, chosen: dict, recipe: dict, device: str = "cpu", **tolerance) -> None:
    (plain, expected), (fast, found) = (
        trained(model, step, chosen, device, **recipe) for step in ("plain", "auto")
    )
    torch.testing.assert_close(fast, plain, **tolerance)
    for name, value in expected.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(found[name], value, msg=name, **tolerance)


def tolerance(chosen: str) -> dict[str, float]:
    is_double = chosen != "posterior"
    return {"rtol": 1e-6, "atol": 1e-8} if is_double else {"rtol": 1e-4, "atol": 1e-5}


@pytest.mark.parametrize("recipe", [{}, {"micro_batches": 2, "label_smoothing": 0.1}], ids=str)
@pytest.mark.parametrize("chosen", SETTINGS)
@pytest.mark.parametrize("model", SIZES)
def test_losses_and_all_that_is_trained_are_those_of_the_plain_step(model, chosen, recipe):
    check(model, SETTINGS[chosen], recipe, **tolerance(chosen))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_weights_follow_gradients_whatever_the_layout_of_the_images(layout):
    """Grey images have both layouts at once; gradients of weights take that of the values."""
    images, labels = batch((1, 8, 8))
    images = images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2).to(memory_format=layout)
    after = {}
    for step in ("plain", "fast"):
        network = build("cnn", (1, 8, 8), **SIZES["cnn"])
        recipe = {"image_shape": (1, 8, 8), "optimizer": "adamw", "lr": 0.01}
        method = build_method(network, "svp", method_options={"step": step}, **recipe)
        after[step] = torch.stack([losses_of_step(method, images, labels) for _ in range(4)])
    torch.testing.assert_close(after["fast"], after["plain"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("chosen", ["default", "codebook", "few rows", "private"])
@pytest.mark.parametrize("model", SIZES)
def test_so_they_are_in_bfloat16_as_far_as_it_tells(model, chosen):
    check(model, SETTINGS[chosen], {"precision": "bfloat16", "lr": 0.01}, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_smaller_rate_of_adamw_and_other_activations_change_nothing_of_that(activation):
    states = []
    for step in ("plain", "fast"):
        network = build("mlp", SHAPE, depth=3, width=8, activation=activation)
        method = build_method(
            network, "svp", method_options={"step": step}, image_shape=SHAPE, optimizer="adamw"
        ).double()
        for _ in range(3):
            method.step(batch(SHAPE)[0].double(), batch(SHAPE)[1])
        states.append(list(method.parameters()))
    for one, other in zip(*states, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "chosen",
    [{"overlap": 1}, {"readout": "cosine", "d0": 12}, {"alignment": "feature_kl"}],
    ids=str,
)
def test_what_has_no_closed_form_is_trained_plainly_and_refused_where_it_is_asked_for(chosen):
    network = build("mlp", SHAPE, depth=3, width=16)
    method = build_method(network, "svp", method_options=chosen, image_shape=SHAPE)
    assert method.fast is None
    run = {"dataset": "digits", "model": "mlp", "method": "svp", "seed": 0}
    run["model_options"] = {"depth": 3, "width": 16}
    with pytest.raises(ConfigError, match=f"step: fast has no closed form of {list(chosen)[0]}"):
        resolve(run | {"method_options": chosen | {"step": "fast"}})


def test_every_alignment_and_readout_that_is_served_has_what_it_takes():
    for name in options.names("local/alignments"):
        has = hasattr(load("alignments", name), "add_to") or name == "none"
        assert has == (name in SERVED["alignment"])
    assert set(SERVED["readout"]) <= set(options.names("local/readouts"))


def test_hooks_and_frozen_weights_of_a_block_are_heeded():
    method = build_method(build("mlp", SHAPE, depth=3, width=16), "svp", image_shape=SHAPE)
    first, second, _ = method.units
    linear = first.blocks[0][1]
    linear.weight.requires_grad_(False)
    seen = []
    second.blocks[0].register_full_backward_hook(lambda *given: seen.append(given[0]))
    before = linear.weight.clone()
    bias = linear.bias.detach().clone()
    method.step(*batch(SHAPE))
    assert torch.equal(linear.weight, before) and not torch.equal(linear.bias, bias)
    assert seen == [second.blocks[0]]


def test_a_transformer_saves_products_and_an_mlp_takes_those_of_the_plain_step():
    counted = {}
    for model in ("mlp", "vit"):
        for step in ("plain", "fast"):
            network = build(model, SHAPE, **SIZES[model])
            chosen = {"step": step, "d0": 12, "readout": "codebook"}
            method = build_method(network, "svp", method_options=chosen, image_shape=SHAPE)
            counted[model, step] = count_flops(method, *batch(SHAPE))
    assert counted["mlp", "fast"] == counted["mlp", "plain"]
    assert counted["vit", "fast"] < 0.95 * counted["vit", "plain"]


def test_adamw_is_torchs_to_the_last_bit_with_states_that_it_can_take():
    layers = [nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    rates = {"lr": 0.01, "weight_decay": 0.1}
    own = AdamW(layers[0].parameters(), **rates)
    torchs = optim.AdamW(layers[1].parameters(), **rates, fused=True)
    steps = []
    for turn in range(9):
        if turn == 5:
            own.load_state_dict(deepcopy(torchs.state_dict()))  # or both would have one
        if turn == 7:
            own.register_step_pre_hook(lambda *_: steps.append(1))
        for layer, optimizer in zip(layers, (own, torchs), strict=True):
            part = layer[0] if turn == 3 else layer  # the other one has no gradient then
            (part(torch.ones(2, 5)) ** 2).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        for group in (*own.param_groups, *torchs.param_groups):
            group["lr"] *= 0.9
        assert all(map(torch.equal, layers[0].parameters(), layers[1].parameters()))
    assert len(steps) == 2


def test_a_state_continues_with_the_same_numbers_in_either_step():
    methods = [
        build_method(
            build("vit", SHAPE, **SIZES["vit"]), "svp", method_options={"step": step},
            image_shape=SHAPE, optimizer="adamw",
        )
        for step in ("fast", "fast", "plain")
    ]  # fmt: skip
    methods[0].step(*batch(SHAPE))
    for method in methods[1:]:
        method.load_state(saved(methods[0]))
    for method in methods:
        method.step(*batch(SHAPE))
    first, second, plain = (list(method.parameters()) for method in methods)
    assert all(map(torch.equal, first, second))
    for one, other in zip(first, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
