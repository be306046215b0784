"""The closed form of a step's cost: its known ratios, and what torch counts."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from svp_core.config import resolve
from svp_core.cost import macs
from svp_core.training import build_method

REFERENCE = [784, 1000, 1000, 1000]
BP = macs([*REFERENCE, 10])  # its head included


@pytest.mark.parametrize(
    ("d0", "ratio"), [(10, 0.74), (100, 0.81), (338, 1.00), (500, 1.13), (700, 1.29)]
)
def test_ratios_of_the_reference_mlp(d0, ratio):
    assert macs(REFERENCE, d0) / BP == pytest.approx(ratio, abs=0.005)


def test_break_even_is_where_the_ratio_passes_one():
    assert macs(REFERENCE, 338) <= BP < macs(REFERENCE, 339)


@pytest.mark.parametrize("method", ["bp", "svp"])
def test_torch_counts_as_much(method):
    run = {"dataset": "digits", "model": "mlp", "method": method, "seed": 0}
    config = resolve(run | {"model_options": {"depth": 3, "width": 50}})
    trained = build_method(config, torch.device("cpu"))
    images, labels = torch.randn(6, 1, 8, 8), torch.arange(6)
    with FlopCounterMode(display=False) as counter:
        trained.step(images, labels)
    expected = macs([64, 50, 50, 50], 10) if method == "svp" else macs([64, 50, 50, 50, 10])
    assert counter.get_total_flops() == 2 * 6 * expected  # a MAC is two operations
