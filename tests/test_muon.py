"""The optimiser Muon against torch's, of matrices, and AdamW, of vectors."""

import pytest
import torch
from networks import SHAPE, batch, build, build_method, on_three_blocks, saved
from torch import nn, optim

from svp_core.cost.memory import measure_step
from svp_core.muon import Muon, orthogonal

SETTINGS = {"lr": 0.02, "weight_decay": 0.1}


def copies(shape: tuple[int, ...], count: int = 2) -> list[nn.Parameter]:
    start = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return [nn.Parameter(start.clone()) for _ in range(count)]


def stepped(optimizer: optim.Optimizer, weights: nn.Parameter, steps: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        weights.grad = torch.randn(weights.shape, generator=generator)
        optimizer.step()
    return weights.detach()


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (1, 8)])
def test_steps_keep_singular_vectors_and_bring_values_near_one(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    inner = left.T @ orthogonal(matrix) @ right.T
    values = inner.diagonal()
    torch.testing.assert_close(inner, torch.diag(values), atol=1e-9, rtol=0)
    assert 0.6 < values.min() and values.max() < 1.3


@pytest.mark.skipif(not hasattr(optim, "Muon"), reason="torch has it from 2.9 on")
@pytest.mark.parametrize("shape", [(20, 8), (8, 20), (8, 2, 3, 3)])
def test_a_matrix_or_kernel_is_trained_as_by_torch(shape):
    own, other = copies(shape)
    found = stepped(Muon([own], **SETTINGS, momentum=0.9), own)
    flat = nn.Parameter(other.detach().flatten(1))
    known = optim.Muon([flat], **SETTINGS, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        flat.grad = torch.randn(shape, generator=generator).flatten(1)
        known.step()
    # torch iterates in bfloat16
    change = found - copies(shape, 1)[0].detach()
    torch.testing.assert_close(
        found.flatten(1), flat.detach(), atol=0.02 * change.abs().max(), rtol=0
    )


def test_a_vector_is_trained_by_adamw():
    own, other = copies((7,))
    found = stepped(Muon([own], **SETTINGS, momentum=0.9), own)
    torch.testing.assert_close(found, stepped(optim.AdamW([other], **SETTINGS), other))


@pytest.mark.parametrize("method", ["bp", "svp", "local_lda"])
def test_its_state_survives_a_checkpoint(method):
    options = {} if method == "bp" else {"d0": 12, "readout": "lda", "alignment": "none"}
    model = [build("cnn", SHAPE, depth=2, width=4, stages=1) for _ in range(2)]
    whole, continued = (
        build_method(one, method, image_shape=SHAPE, method_options=options, optimizer="muon")
        for one in model
    )
    for _ in range(2):
        whole.step(*batch(SHAPE))
    continued.load_state(saved(whole))
    for one in (whole, continued):
        one.step(*batch(SHAPE))
    pairs = zip(whole.state_dict().values(), continued.state_dict().values(), strict=True)
    assert all(map(torch.equal, *zip(*pairs, strict=True)))


def test_it_keeps_one_average_of_a_matrix_and_is_counted():
    method = on_three_blocks(method_options={"readout": "private", "d0": 12}, optimizer="muon")
    sizes = measure_step(method, *batch(SHAPE))
    weights = list(method.parameters())
    expected = sum(one.nbytes if one.ndim > 1 else 2 * one.nbytes + 4 for one in weights)
    assert sizes["optimizer"] == expected


def test_channels_last_trains_the_same():
    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        (own,) = copies((8, 4, 3, 3), 1)
        own.data = own.data.contiguous(memory_format=layout)
        generator = torch.Generator().manual_seed(1)
        optimizer = Muon([own], **SETTINGS, momentum=0.9)
        for _ in range(2):
            gradient = torch.randn(own.shape, generator=generator)
            own.grad = gradient.contiguous(memory_format=layout)
            optimizer.step()
        ends.append(own.detach())
    torch.testing.assert_close(*ends)
