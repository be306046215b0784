"""What a reading, and the head of BP, see of an activation."""

import numpy as np
import torch
from networks import build, build_method

from svp_core import pooling
from svp_core.config.options import fill
from svp_core.pooling import MapOptions


def phi(**given):
    return pooling.build(MapOptions(**given))


def tokens_phi(pool: str):
    return pooling.build(fill("models", "vit", {"pool": pool}))


def test_phi_keeps_a_grid_of_a_map_and_a_vector_as_it_is():
    maps, vector = torch.randn(2, 3, 8, 12), torch.randn(2, 5)
    whole = phi(grid=1)(maps)
    torch.testing.assert_close(whole, maps.mean(dim=(2, 3)))
    cells = phi(grid=4)(maps)
    torch.testing.assert_close(
        cells, maps.unflatten(3, (4, 3)).unflatten(2, (4, 2)).mean((3, 5)).flatten(1)
    )
    assert torch.equal(phi(grid=20)(maps), phi(pool="flatten")(maps))
    assert phi(grid=4)(vector) is vector


def test_phi_may_hold_the_standard_deviations_of_the_cells_as_well():
    """A map of 5x7 in at most 2x2 cells of 3x4, the last of which hold what is left."""
    generator = np.random.default_rng(0)
    maps = 10 + generator.normal(size=(2, 3, 5, 7)) * np.arange(1, 4)[:, None, None]
    maps[0, 0, :3, :4] = 0.5  # a constant cell, at whose root the gradient would be infinite
    averages, deviations = np.empty((2, 3, 2, 2)), np.empty((2, 3, 2, 2))
    for row, rows in enumerate((slice(0, 3), slice(3, 5))):
        for column, columns in enumerate((slice(0, 4), slice(4, 7))):
            cell = maps[:, :, rows, columns]
            averages[:, :, row, column] = cell.mean(axis=(2, 3))
            deviations[:, :, row, column] = np.maximum(cell.std(axis=(2, 3)), 1e-3)
    given = torch.from_numpy(maps).requires_grad_()
    found = phi(pool="avg_std", grid=2)(given)
    expected = np.concatenate([averages.reshape(2, -1), deviations.reshape(2, -1)], axis=1)
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-9)
    found.sum().backward()
    assert given.grad.isfinite().all()
    vector = torch.randn(2, 5)
    assert phi(pool="avg_std")(vector) is vector


def test_phi_of_tokens_is_their_mean_or_the_first():
    tokens = torch.randn(2, 3, 5)
    assert torch.equal(tokens_phi("mean")(tokens), tokens.mean(dim=1))
    assert torch.equal(tokens_phi("cls")(tokens), tokens[:, 0])


def test_bp_and_svp_read_the_same_vector():
    flat, pooled = (build("resnet", width=8, pool=pool) for pool in ("flatten", "avg"))
    assert flat.widths[-1] == 64 * 4 * 4 == pooled.widths[-1]  # 4x4 cells are left of 32x32
    assert build_method(flat).head.in_features == flat.widths[-1]
    assert [unit.projection.shape[1] for unit in build_method(flat, "svp").units] == flat.widths
