"""Ranks of a pipeline on a GPU, as far as one GPU can tell: NCCL wants one for each."""

import pytest
import torch
import torch.distributed as dist
from cells import batch, on

from svp_core.parallel.ranks import Ranks, joined, local_device
from svp_core.parallel.stage import Stage

pytestmark = pytest.mark.gpu


class Handed:
    """In place of a Sender: its message is there at once."""

    def send(self, message) -> None:
        self.message = message


@pytest.mark.parametrize("recipe", [{}, {"micro_batches": 2, "precision": "bfloat16"}], ids=str)
@pytest.mark.parametrize("method", ["svp", "local_lda"])
def test_units_of_two_ranks_learn_from_messages_as_in_one_process(device, method, recipe):
    whole, former, latter = (on(device, method, "cnn", **recipe) for _ in range(3))
    sender = Handed()
    first = Stage(former, range(2), Ranks(0, 2), sender)
    last = Stage(latter, range(2, 4), Ranks(1, 2), None)
    images, labels = batch(whole)
    for _ in range(3):
        whole.step(images, labels)
        first.step(images, labels)
        last.step(sender.message, labels)
    losses = torch.cat([one.sums["unit_loss"] for one in (first, last)])
    assert torch.equal(losses, whole.sums["unit_loss"])
    for index, unit in enumerate(whole.units):
        found = (former if index < 2 else latter).units[index].state_dict()
        assert all(torch.equal(found[name], one) for name, one in unit.state_dict().items())


def test_a_rank_joins_asks_and_leaves(device, monkeypatch):
    given = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "MASTER_ADDR": "localhost"}
    for name, value in (given | {"MASTER_PORT": 0}).items():
        monkeypatch.setenv(name, str(value))
    with joined(local_device(device)) as ranks:
        assert ranks.is_first and ranks.is_last
        assert ranks.from_rank(0, "known") == ranks.scatter(["known"]) == "known"
        assert ranks.gather({"a": 1}) == [{"a": 1}]
        counted = torch.arange(3.0, device=device)
        dist.all_reduce(counted)  # by NCCL on a GPU
        assert counted.tolist() == [0, 1, 2]
    assert not dist.is_initialized()
