"""What a local unit looks like from the inside: how it is read, and what its weights follow."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.local.unit import LocalUnit, Reading

LINEAR = 1e-3  # relative error of logits up to which a readout counts as linear


def with_previous(readings: list[Reading]) -> Iterator[tuple[Reading, Reading | None]]:
    """Return every reading with that of the unit before it, as a constant; the first has none."""
    return zip(readings, [None, *(one.detach() for one in readings[:-1])], strict=True)


def weight(unit: LocalUnit, readout: nn.Module, reading: Reading) -> Tensor | None:
    """Return the matrix (K, d_i) from phi(h) to logits; None if the readout is not linear."""
    values = reading.projected
    nothing, units = values.new_zeros(1, values.shape[1]), torch.eye(values.shape[1]).to(values)
    constant, *columns = readout(torch.cat([nothing, units]))
    found = torch.stack(columns, dim=1) - constant[:, None]  # (K, d0)
    linear = F.linear(values, found, constant)
    size = torch.linalg.norm
    if not size(linear - reading.logits) <= LINEAR * size(reading.logits):  # nor if not a number
        return None
    return unit.scale * found if unit.projection is None else found @ unit.projection


def divergence(alignment, reading: Reading, previous: Reading | None) -> Tensor | None:
    """Return D of every image (B,), 0 where nothing is aligned; None if it is of a whole batch."""
    if previous is None or alignment is None:
        return reading.logits.new_zeros(len(reading.logits))
    if isinstance(alignment, nn.Module):
        return None

    def of_image(*both: Reading) -> Tensor:
        return alignment(*(Reading(*(part[None] for part in one)) for one in both))

    return torch.vmap(of_image)(reading, previous)


def gradients(
    losses: list[Tensor], whole: Tensor, blocks: list[nn.Module], overlap: int, own_weight: float
) -> list[tuple[Tensor, Tensor]]:
    """Return the gradients of what a unit's blocks follow, and of the whole network's loss.

    A loss follows only its own unit, and as many before it as overlap.
    """
    found = []
    for index, one in enumerate(blocks):
        is_last = index == len(blocks) - 1
        own = losses[index] * (1 if is_last else own_weight)
        local = sum(losses[index + 1 : index + 1 + overlap], start=own)
        found.append((flat_gradient(local, one), flat_gradient(whole, one)))
    return found


def flat_gradient(loss: Tensor, blocks: nn.Module) -> Tensor:
    """Return the gradient of a loss with respect to all parameters of some blocks, one vector."""
    weights = [one for one in blocks.parameters() if one.requires_grad]
    found = torch.autograd.grad(loss, weights, retain_graph=True, materialize_grads=True)
    return torch.cat([one.flatten() for one in found])
