"""What is measured of a method: what reaches its updates, when they happen, what stays alive."""

from collections import Counter
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svp_core.auditing.alive import most_alive
from svp_core.auditing.forks import CLASSES, IMAGES, Setting, Trial, disturb, flat

Hook = tuple[Tensor, ...]


def measure(setting: Setting) -> dict:
    """Return the row of a method in the table `locality`; raises ConfigError."""
    depth = len(setting.trial().blocks)
    later = [setting.changed(partial(disturb_block, place=place)) for place in range(depth)]
    reach = [sum(later[j][i] for j in range(i + 1, depth)) for i in range(depth)]
    errors = find_errors(setting, depth)
    forward, backward = passes(setting)
    return {
        "blocks": depth,
        "later_blocks": "+".join(map(str, reach)),
        "labels": find_labels(setting, depth),
        "errors": errors,
        "weights": weights_travel(setting),
        "locking": {"chain": "backward", "direct": "forward"}.get(errors, "none"),
        "at_once": is_at_once(setting),
        "blocks_alive": most_alive(setting.trial()),
        "forward_passes": forward,
        "backward_passes": backward,
    }


def disturb_block(trial: Trial, place: int, copies: bool = True) -> None:
    """Change all weights of a block at random, by as much as they are large."""
    generator = torch.Generator().manual_seed(1)
    for layer in trial.entrances(place):
        noise = torch.randn(layer.weight.shape, generator=generator, dtype=torch.float64)
        disturb(trial, layer.weight, noise * layer.weight.std(), copies)


def find_errors(setting: Setting, depth: int) -> str:
    """Return how a later block's outcome reaches earlier ones: `chain`, `direct` or `no`.

    By a chain where a change of the gradient inside a later block reaches them, directly where only
    a change of its weights does; copies of weights are left out of it.
    """
    if any(earlier_changed(setting, partial(scale_gradient, place=j), j) for j in range(depth)):
        return "chain"
    without_copies = partial(disturb_block, copies=False)
    if any(earlier_changed(setting, partial(without_copies, place=j), j) for j in range(depth)):
        return "direct"
    return "no"


def earlier_changed(setting: Setting, change, place: int) -> bool:
    return any(setting.changed(change)[:place])


def scale_gradient(trial: Trial, place: int) -> None:
    """Let gradients be twice as large where they enter the layers of a block."""

    def double(module: nn.Module, inputs: Hook, output: Tensor) -> None:
        if output.requires_grad:
            output.register_hook(lambda gradient: 2 * gradient)

    trial.handles += [one.register_forward_hook(double) for one in trial.entrances(place)]


def weights_travel(setting: Setting) -> bool | None:
    """Return whether earlier blocks are told weights of the last one, None if it cannot be seen.

    Its weights are changed where no input of the step can show it, so that all activations and
    errors are the same: only who reads the weights themselves does otherwise.
    """
    known = inputs_of_last(setting.trial())
    changes = [hidden_change(weight, rows) for weight, rows in known]
    if all(one is None for one in changes):
        return None

    def change(trial: Trial) -> None:
        for layer, hidden in zip(trial.entrances(-1), changes, strict=True):
            if hidden is not None:
                disturb(trial, layer.weight, hidden)

    return any(setting.changed(change)[:-1])


def inputs_of_last(trial: Trial) -> list[tuple[Tensor, Tensor]]:
    """Return the weight of every layer of the last block, and the rows that a step shows it."""
    layers, seen = trial.entrances(-1), {}

    def note(layer: nn.Module, inputs: Hook) -> None:
        seen.setdefault(layer, []).append(rows_of(layer, inputs[0].detach()))

    trial.handles += [one.register_forward_pre_hook(note) for one in layers]
    weights = [one.weight.detach().clone() for one in layers]
    trial.step()
    return list(zip(weights, [torch.cat(seen[one]) for one in layers], strict=True))


def rows_of(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Return what the weights of a layer are multiplied with, a row each."""
    if isinstance(layer, nn.Linear):
        return inputs.flatten(0, -2)
    cells = F.unfold(inputs, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    return cells.transpose(1, 2).flatten(0, 1)


def hidden_change(weight: Tensor, rows: Tensor) -> Tensor | None:
    """Return a large change of a weight that is orthogonal to all rows; None if there is none."""
    values, basis = torch.linalg.svd(rows, full_matrices=True)[1:]
    rank = int((values > 1e-9 * values.max()).sum())
    free = basis[rank:]
    if not len(free):
        return None
    noise = torch.randn(weight.flatten(1).shape, generator=torch.Generator().manual_seed(2))
    return (5 * weight.std() * noise.double() @ free.T @ free).view(weight.shape)


def find_labels(setting: Setting, depth: int) -> str:
    """Return where labels are needed: with the `input`, at `units`, at the `output`, joined by +.

    They are wrong up to the first block, or while one of the blocks before the last has its turn,
    or from the last block on.
    """
    spans = {"input": [(None, 0)], "units": [(i, i + 1) for i in range(depth - 1)]}
    spans["output"] = [(depth - 1, None)]
    found = [
        name
        for name, turns in spans.items()
        if any(any(setting.changed(partial(mislabel, turn=turn))[:-1]) for turn in turns)
    ]
    return "+".join(found) or "none"


def mislabel(trial: Trial, turn: tuple[int | None, int | None]) -> None:
    """Let labels be wrong from the entry of one block to that of another."""
    right = trial.labels.clone()
    wrong = (right + 1) % CLASSES
    first, end = turn
    if first is None:
        trial.labels.data.copy_(wrong)
    else:  # past autograd, which would refuse a changed tensor
        trial.on_entry(first, lambda: trial.labels.data.copy_(wrong))
    if end is not None:
        trial.on_entry(end, lambda: trial.labels.data.copy_(right))


def is_at_once(setting: Setting) -> bool:
    """Return whether every block has its update when the next one runs."""
    trial, found = setting.trial(), {}
    before = [flat(block) for block in trial.blocks]
    for place in range(1, len(trial.blocks)):
        earlier = trial.blocks[place - 1]
        trial.on_entry(place, lambda p=place, one=earlier: found.setdefault(p, flat(one)))
    trial.step()
    return not any(torch.equal(before[place - 1], found[place]) for place in found)


def passes(setting: Setting) -> tuple[float, float]:
    """Return forward and backward passes a sample of a step, the most of any block."""
    trial = setting.trial()
    forward, backward = Counter(), Counter()

    def count(module: nn.Module, inputs: Hook, output: Tensor, place: int) -> None:
        forward[place] += len(output)
        if output.requires_grad:
            output.register_hook(lambda gradient: backward.update({place: len(gradient)}))

    for place in range(len(trial.blocks)):
        layer = trial.entrances(place)[0]
        trial.handles.append(layer.register_forward_hook(partial(count, place=place)))
    trial.step()
    most = (max(one.values(), default=0) / IMAGES for one in (forward, backward))
    return tuple(most)
