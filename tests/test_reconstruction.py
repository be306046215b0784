"""How much of the v before a linear map of v tells."""

import numpy as np
import pytest
import torch
from networks import SHAPE, batch, on_three_blocks, saved
from sklearn.linear_model import Ridge

from svp_core.config.options import fill
from svp_core.local.alignments import reconstruction
from svp_core.local.unit import Reading

OPTIONS = {"alignment": "reconstruction", "readout": "private", "d0": 12}


def readings(size: int = 200, rows: int = 5, targets: int = 7) -> tuple[Reading, Reading]:
    """Two v, the second partly a linear map of the first."""
    generator = torch.Generator().manual_seed(0)
    one, mixing, noise = (
        torch.randn(*shape, generator=generator)
        for shape in ((size, rows), (rows, targets), (size, targets))
    )
    other = one @ mixing + 0.5 * noise + 3
    return Reading(one, one, one), Reading(other, other, other)


def built(shrinkage: float, rows: int = 5, targets: int = 7) -> reconstruction.Reconstruction:
    given = OPTIONS | {"reconstruction_shrinkage": shrinkage}
    return reconstruction.build([targets, rows], fill("methods", "svp", given))[1]


@pytest.mark.parametrize("shrinkage", [1e-6, 0.3])
def test_one_batch_leaves_the_residual_of_ridge_regression(shrinkage):
    one, other = readings()
    module = built(shrinkage)
    module.observe(one, other, 1.0)
    v, u = one.projected.numpy(), other.projected.numpy()
    variance = np.mean(v.var(axis=0))
    known = Ridge(alpha=shrinkage * variance * len(v)).fit(v - v.mean(axis=0), u)
    residual = np.sum((u - known.predict(v - v.mean(axis=0))) ** 2)
    expected = residual / np.sum((u - u.mean(axis=0)) ** 2)
    assert module(one, other).item() == pytest.approx(expected, rel=1e-3)
    assert 0.01 < expected < 0.5


def test_what_is_a_linear_map_costs_nothing_and_what_is_independent_all():
    one, _ = readings()
    copy, free = (
        Reading(u, u, u) for u in (one.projected @ torch.randn(5, 7), torch.randn(200, 7))
    )
    values = []
    for other in (copy, free):
        module = built(1e-6)
        module.observe(one, other, 1.0)
        values.append(module(one, other).item())
    assert values[0] < 1e-4 and values[1] > 0.8


def test_only_v_of_the_unit_itself_gets_a_gradient():
    one, other = readings()
    value = one.projected.clone().requires_grad_()
    module = built(0.1)
    module.observe(one, other, 1.0)
    module(Reading(value, value, value), other).backward()
    assert value.grad.abs().max() > 0
    assert not list(module.parameters())


def test_units_use_it_and_their_states_continue():
    whole, continued = (on_three_blocks(method_options=OPTIONS) for _ in range(2))
    for _ in range(2):
        whole.step(*batch(SHAPE))
    assert whole.alignments[1].seen == 2 and whole.alignments[0].seen == 0
    continued.load_state(saved(whole))
    for method in (whole, continued):
        method.step(*batch(SHAPE))
    pairs = zip(whole.state_dict().values(), continued.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
