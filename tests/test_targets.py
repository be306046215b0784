"""Targets of the units before the last one that follow its posterior."""

import torch
from networks import SHAPE, batch, on_three_blocks, saved
from torch.nn import functional as F

from svp_core.config.options import fill
from svp_core.local.targets import posterior
from svp_core.task import Task

SVP = {"alignment": "none", "readout": "private", "d0": 12, "target": "posterior"}


def built(**options) -> posterior.Posterior:
    given = fill("methods", "svp", {"target": "posterior", **options})
    return posterior.build(Task(SHAPE, 3, 1000), given)


def test_targets_are_labels_mixed_with_the_mean_posterior_of_a_class():
    target = built(target_weight=0.25, target_momentum=0.0)
    labels = torch.tensor([0, 1, 0])
    assert torch.equal(target(labels), F.one_hot(labels, 3).float())  # nothing is known yet
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    target.observe(logits, labels, 1.0)
    found = logits.softmax(dim=1)
    expected = torch.stack([(found[0] + found[2]) / 2, found[1], torch.tensor([0.0, 0.0, 1.0])])
    torch.testing.assert_close(target.means, expected)  # class 2 was not seen
    mixed = 0.75 * torch.eye(3)[1] + 0.25 * found[1]
    torch.testing.assert_close(target(torch.tensor([1]))[0], mixed)


def test_means_decay_a_step_and_a_step_in_parts_decays_once():
    whole, parts = (built(target_momentum=0.8) for _ in range(2))
    logits, labels = torch.zeros(4, 3), torch.tensor([0, 0, 0, 0])
    for _ in range(2):
        whole.observe(logits, labels, 1.0)
        for half in (slice(2), slice(2, 4)):
            parts.observe(logits[half], labels[half], 0.5)
    expected = 0.8**2 * torch.eye(3)[0] + (1 - 0.8**2) / 3
    torch.testing.assert_close(whole.means[0], expected)
    torch.testing.assert_close(parts.means[0], expected)


def test_units_before_the_last_learn_them_and_the_last_one_labels():
    method = on_three_blocks(method_options=SVP | {"target_weight": 0.5})
    images, labels = batch(SHAPE)
    method.step(images, labels)
    targets = method.target(labels)
    assert (targets - F.one_hot(labels, 10)).abs().max() > 0.01
    readings = method.sweep(images)
    losses = [F.cross_entropy(one.logits, targets) for one in readings[:2]]
    losses.append(F.cross_entropy(readings[2].logits, labels))
    method.drain()
    means = method.target.means.clone()
    expected = means.lerp(means_of(readings[2].logits, labels, means), 0.1)
    method.step(images, labels)
    torch.testing.assert_close(method.drain()["unit_loss"], torch.stack(losses))
    torch.testing.assert_close(method.target.means, expected)


def means_of(logits, labels, unseen) -> torch.Tensor:
    """The mean posterior of every class in a batch."""
    found = logits.detach().softmax(dim=1)
    rows = [found[labels == k].mean(dim=0) if k in labels else unseen[k] for k in range(10)]
    return torch.stack(rows)


def test_without_it_a_step_is_that_of_labels():
    soft, plain = (
        on_three_blocks(method_options=SVP | change)
        for change in ({"target_weight": 0.0}, {"target": "labels"})
    )
    for method in (soft, plain):
        for _ in range(2):
            method.step(*batch(SHAPE))
    pairs = zip(soft.parameters(), plain.parameters(), strict=True)
    assert all(torch.allclose(one, other, atol=1e-7) for one, other in pairs)
    assert "target.means" in saved(soft)["modules"]
