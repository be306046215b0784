"""Training steps on a GPU: the numbers of the CPU, and the same ones every time."""

import io
from copy import deepcopy
from functools import partial

import pytest
import torch
from cells import CELLS, DrawnOnTheCPU, batch, differing, losses_of, on, tensors
from torch import nn, optim
from torch.nn import functional as F

from svp_core.adamw import AdamW
from svp_core.cost.flops import count_flops

pytestmark = pytest.mark.gpu
CPU = torch.device("cpu")


@pytest.mark.parametrize(("method", "model"), CELLS)
def test_steps_in_float64_have_the_numbers_of_the_cpu(device, method, model):
    """By far: a gradient of rounding errors alone is nothing beside the eps of AdamW."""
    check_double(device, method, model)


@pytest.mark.parametrize("recipe", [{"optimizer": "muon"}, {"micro_batches": 2}], ids=str)
@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.parametrize("method", ["bp", "svp"])
def test_so_they_have_with_other_recipes(device, method, model, recipe):
    check_double(device, method, model, **recipe)


def check_double(device: torch.device, method: str, model: str, **recipe) -> None:
    expected, found = (on(place, method, model, **recipe).double() for place in (CPU, device))
    known, losses = (losses_of(one, draws=DrawnOnTheCPU()) for one in (expected, found))
    torch.testing.assert_close(losses, known, rtol=1e-6, atol=1e-9)
    after = tensors(found)
    for name, value in tensors(expected).items():
        named = partial("{}: {}".format, name)
        torch.testing.assert_close(after[name], value, rtol=1e-6, atol=1e-6, msg=named)


@pytest.mark.parametrize(("method", "model"), CELLS)
def test_steps_in_float32_stay_near_those_of_the_cpu(device, method, model):
    """Of all weights together: where a ReLU is at 0, rounding decides which way a gradient goes."""
    start = tensors(on(CPU, method, model))
    expected, found = (on(one, method, model, optimizer="sgd") for one in (CPU, device))
    known, losses = (losses_of(one, draws=DrawnOnTheCPU()) for one in (expected, found))
    torch.testing.assert_close(losses, known, rtol=1e-3, atol=1e-4)
    before, there, here = (flat(one) for one in (start, tensors(expected), tensors(found)))
    assert (here - there).norm() < 0.01 * (there - before).norm()


def flat(named: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([one.flatten().double() for one in named.values()])


def test_float32_is_not_tensor_float_32(device):
    """Whose products of numbers of 11 bits are wrong by 3e-4."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(8, 64, 16, 16, generator=generator).to(device)
    kernel = torch.randn(64, 64, 3, 3, generator=generator).to(device)
    for function, pair in (
        (torch.matmul, (images.flatten(1)[:, :1024], kernel.flatten()[: 1024 * 32].view(1024, 32))),
        (F.conv2d, (images, kernel)),
    ):
        exact = function(*(one.double() for one in pair))
        assert (function(*pair) - exact).norm() < 5e-5 * exact.norm()


@pytest.mark.parametrize(("method", "model"), CELLS)
def test_equal_seeds_give_equal_bits(device, method, model):
    one, other = on(device, method, model), on(device, method, model)
    assert torch.equal(losses_of(one), losses_of(other))
    assert differing(one, other) == []


@pytest.mark.parametrize(("method", "model"), CELLS)
def test_a_state_continues_with_the_same_bits(device, method, model):
    whole, continued = on(device, method, model), on(device, method, model)
    images, labels = batch(whole)
    whole.step(images, labels)
    file = io.BytesIO()
    torch.save(whole.state(), file)
    file.seek(0)
    continued.load_state(torch.load(file, map_location="cpu", weights_only=True))
    assert torch.equal(losses_of(whole), losses_of(continued))
    assert differing(whole, continued) == []
    predicted = continued.eval().predict(images)
    for one in [*predicted.units, predicted.network, *predicted.rules.values()]:
        assert one.device.type == device.type and one.isfinite().all()
        torch.testing.assert_close(one.exp().sum(dim=1), torch.ones_like(one[:, 0]))


@pytest.mark.parametrize(("method", "model"), [one for one in CELLS if one[1] != "vit"])
def test_operations_are_counted_as_on_the_cpu(device, method, model):
    """But attention, whose kernels are others."""
    here, there = (on(one, method, model) for one in (device, CPU))
    assert count_flops(here, *batch(here)) == count_flops(there, *batch(there))


def test_adamw_is_torchs_to_the_last_bit(device):
    layers = [nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)).to(device) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    own = AdamW(layers[0].parameters(), lr=0.01, weight_decay=0.1)
    torchs = optim.AdamW(layers[1].parameters(), lr=0.01, weight_decay=0.1, fused=True)
    for turn in range(6):
        if turn == 3:
            own.load_state_dict(deepcopy(torchs.state_dict()))  # or both would have one
        for layer, optimizer in zip(layers, (own, torchs), strict=True):
            (layer(torch.ones(2, 5, device=device)) ** 2).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        assert all(map(torch.equal, layers[0].parameters(), layers[1].parameters()))
