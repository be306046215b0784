"""What a readout in a new file may have: weights, and statistics of what it is shown."""

import pytest
import torch
from networks import SHAPE, batch, on_three_blocks, saved
from new_files import write

from svp_core.cost import cells
from svp_core.cost.memory import measure_step
from svp_core.cost.simulate import simulate

AFFINE = '''"""A readout with a bias, in a new file; `copies` of it serve all units in turn."""

from torch import nn
from svp_core.config.options import OptionSet, integer


class Options(OptionSet):
    copies: int = integer(3, "different readouts", at_least=1)


def build(rows, task, options, seed):
    made = [nn.Linear(rows[0], task.classes) for _ in range(options.copies)]
    for number, layer in enumerate(made, start=1):
        nn.init.eye_(layer.weight)
        nn.init.constant_(layer.bias, 0.1 * number)
    return [made[unit % options.copies] for unit in range(len(rows))]
'''


def affine(copies: int, **options):
    given = {"readout": "affine", "copies": copies, "d0": 12, "alignment": "none", **options}
    return on_three_blocks(method_options=given, lr=0.1, momentum=0.0)


@pytest.mark.parametrize("update", ["fused", "after"])
@pytest.mark.parametrize("copies", [1, 2, 3])
def test_a_new_readout_is_trained_by_all_units_that_it_serves(package, copies, update):
    write(package, "local/readouts/affine.py", AFFINE)
    method = affine(copies, update=update)
    readings = method.sweep(batch(SHAPE)[0])
    losses = [method.local_loss(one, None, batch(SHAPE)[1]) for one in readings]
    layers = list(dict.fromkeys(method.readouts))
    gradients = torch.autograd.grad(sum(losses), [p for one in layers for p in one.parameters()])
    before = [p.detach().clone() for one in layers for p in one.parameters()]
    method.step(*batch(SHAPE))
    after = [p.detach() for one in layers for p in one.parameters()]
    assert len(after) == 2 * copies
    for old, new, gradient in zip(before, after, gradients, strict=True):
        assert gradient.abs().max() > 0
        torch.testing.assert_close(new, old - 0.1 * gradient)


OBSERVER = '''"""A readout that follows class means; a new file."""

import torch
from torch import nn
from torch.nn import functional as F


class Means(nn.Module):
    def __init__(self, rows, classes):
        super().__init__()
        self.register_buffer("means", torch.zeros(classes, rows))
        self.register_buffer("seen", torch.zeros(classes))
        self.calls = []

    def forward(self, projected):
        return F.linear(projected, self.means) + projected[:, :len(self.means)]

    def observe(self, projected, labels, share):
        self.calls.append((projected, labels, share))
        chosen = F.one_hot(labels, len(self.means)).to(projected.dtype)
        self.seen += chosen.sum(dim=0)
        self.means += 0.01 * (chosen.T @ projected)


def build(rows, task, options, seed):
    return [Means(d0, task.classes) for d0 in rows]
'''


@pytest.fixture
def observer(package):
    write(package, "local/readouts/means.py", OBSERVER)
    return {"readout": "means", "d0": 12}


@pytest.mark.parametrize("parts", [1, 4])
@pytest.mark.parametrize("update", ["fused", "after"])
def test_a_readout_observes_every_part_of_a_batch_before_it_reads(observer, parts, update):
    method = on_three_blocks(method_options=observer | {"update": update}, micro_batches=parts)
    images, labels = batch(SHAPE)
    expected = [one.projected.detach() for one in method.sweep(images)]
    seen = []
    forward = type(method.readouts[0]).forward
    method.readouts[0].forward = lambda v: (
        seen.append(len(method.readouts[0].calls)) or forward(method.readouts[0], v)
    )
    method.step(images, labels)
    assert seen == list(range(1, parts + 1))  # one call more before every reading
    for readout, projected in zip(method.readouts, expected, strict=True):
        shown, known, shares = zip(*readout.calls, strict=True)
        assert not any(one.requires_grad for one in shown) and shares == (1 / parts,) * parts
        torch.testing.assert_close(torch.cat(shown), projected)
        assert torch.equal(torch.cat(known), labels)
        assert torch.equal(readout.seen, 1.0 * torch.bincount(labels, minlength=10))
    assert not method.eval().predict(images).network.isnan().any()
    assert len(method.readouts[0].calls) == parts  # predicting shows nothing


def test_what_a_readout_has_seen_survives_a_checkpoint(observer):
    whole, continued = (on_three_blocks(method_options=observer) for _ in range(2))
    whole.step(*batch(SHAPE))
    continued.load_state(saved(whole))
    assert all(one.seen.sum() == 8 for one in continued.readouts)
    for method in (whole, continued):
        method.step(*batch(SHAPE))
    pairs = zip(whole.state_dict().values(), continued.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_what_a_readout_keeps_is_counted_in_memory(observer):
    buffers = 4 * (3 * 12 * 16 + 3 * 12 * 10 + 3 * 10)  # projections, means, counts
    method = on_three_blocks(method_options=observer)
    assert measure_step(method, *batch(SHAPE))["buffers"] == buffers
    config = {"name": "mlp", "model": "mlp", "model_options": {"depth": 3, "width": 16}}
    config |= {"batch": 8, "image_size": 8, "channels": 1, "sweeps": [{}]}
    series = {"method": "svp", "method_options": observer}
    (cell,) = cells.resolved(cells.resolve(config | {"series": [series]}))
    rows = {row["quantity"]: row["value"] for row in simulate(cell)}
    assert rows["buffers"] == buffers
