"""Settings that a GPU is used with: mixed precision, another layout, and svp's fast step."""

import pytest
import torch
from cells import losses_of, on
from test_fast_step import SETTINGS, check, tolerance

pytestmark = pytest.mark.gpu
METHODS = ["bp", "svp", "local_lda", "predsim"]


@pytest.mark.parametrize("model", ["mlp", "cnn", "resnet", "vit"])
@pytest.mark.parametrize("method", METHODS)
def test_losses_in_bfloat16_are_near_those_in_float32(device, method, model):
    exact, mixed = (
        on(device, method, model, optimizer="sgd", precision=one) for one in ("float32", "bfloat16")
    )
    expected, found = losses_of(exact), losses_of(mixed)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.05)
    assert all(one.dtype == torch.float32 for one in mixed.parameters())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("model", ["cnn", "resnet"])
@pytest.mark.parametrize("method", METHODS)
def test_channels_last_differs_by_rounding_only(device, method, model, precision):
    recipe = {"precision": precision, "optimizer": "sgd"}
    usual, last = (
        on(device, method, model, channels_last=is_last, **recipe) for is_last in (False, True)
    )
    bound = 1e-4 if precision == "float32" else 0.05
    torch.testing.assert_close(losses_of(last), losses_of(usual), rtol=bound, atol=bound)


CHOSEN = ["default", "codebook", "lda", "private", "dropout", "ema"]


@pytest.mark.parametrize("chosen", CHOSEN)
@pytest.mark.parametrize("model", ["mlp", "cnn", "vit"])
def test_the_fast_step_has_the_numbers_of_the_plain_one(device, model, chosen):
    check(model, SETTINGS[chosen], {}, device, **tolerance(chosen))
