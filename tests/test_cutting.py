"""Where networks are cut: proposed units, the table of them, and what cannot be cut."""

import own_networks
import pytest
import timm
import torch
import torchvision
from torch import nn

import svp_core
from svp_core.cutting import cut
from svp_core.proposal import find_units

FUNCTIONAL = own_networks.Functional


@pytest.mark.parametrize(
    ("make", "units"),
    [
        (own_networks.mlp, ["2", "4"]),
        (own_networks.mlp_blocks, ["2", "4"]),
        (own_networks.resnet18, [f"layer{i}.{j}" for i in range(1, 5) for j in range(2)]),
        (own_networks.vit, ["blocks.0", "norm"]),
        (torchvision.models.alexnet, ["features.2", "features.5", "features.7", "features.9",
                                      "classifier.0", "classifier.3", "classifier.5"]),
        (FUNCTIONAL, ["first", "third"]),  # two values cross after the second
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_proposed_units_end_where_one_value_crosses(make, units):
    with torch.device("meta"):
        assert find_units(make()) == units


@pytest.mark.parametrize("name", ["convnext_atto", "swin_tiny_patch4_window7_224", "resnet26"])
def test_a_head_is_no_part_of_the_last_unit(name):
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=10)
        head = cut(network, find_units(network)).head
    assert sum(one.numel() for one in head.parameters()) >= 10 * network.num_features


@torch.no_grad()
@pytest.mark.parametrize("make", [own_networks.resnet18, own_networks.vit, FUNCTIONAL])
def test_the_parts_compute_what_the_network_does(make):
    network = make().eval()
    blocks, head = cut(network, find_units(network))
    images = torch.randn(3, 1, 8, 8)
    hidden = images
    for block in blocks:
        hidden = block(hidden)
    assert torch.equal(head(hidden), network(images))
    held = [one for part in (*blocks, head) for one in part.parameters()]
    assert {id(one) for one in held} == {id(one) for one in network.parameters()}


def test_the_table_counts_what_there_is():
    found = svp_core.propose_units(own_networks.mlp(), (1, 8, 8), batch_size=16)
    first, second = found.rows
    assert found.units == ["2", "4"] and (first.output, found.head.output) == ((32,), (10,))
    assert first.parameters == 64 * 32 + 32 and second.parameters == 32 * 32 + 32
    assert first.memory == 4 * 16 * (64 + 32)  # the images and what the ReLU returns
    lines = str(found).splitlines()
    assert len(lines) == 4 and lines[1].split() == ["1", "2", "32", "2,080", "0.01", "MiB"]


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.act = nn.Linear(8, 8), nn.ReLU()

    def forward(self, images):
        return self.act(self.layer(self.act(self.layer(images))))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, images):
        return self.layer(images) if images.sum() > 0 else images


@pytest.mark.parametrize(
    ("network", "units", "said"),
    [
        (own_networks.mlp(), ["nine"], "'nine' is no module of Sequential; it has 0, 1, 2, 3, 4"),
        (own_networks.mlp(), [""], "'' is no module"),
        (own_networks.mlp(), [], "no place found to cut Sequential"),
        (own_networks.mlp(), ["2", "2"], "end at the same place"),
        (FUNCTIONAL(), ["second"], "Functional cannot be cut after 'second': 2 values cross there"),
        (FUNCTIONAL(drops=True), ["third"], "depends on `training`, as of F.dropout"),
        (FUNCTIONAL(doubles=True), ["third"], "returns several values"),
        (Twice(), ["layer"], "'layer' is called 2 times"),
        (Branching(), ["layer"], "the forward pass of Branching cannot be traced"),
        ([nn.Linear(8, 8)], ["0"], "a list of modules is cut already"),
        (nn.Sequential(*[nn.Linear(8, 8)] * 2), ["0"], "'0' is called"),
    ],
)  # fmt: skip
def test_what_cannot_be_cut_is_said_in_a_line(network, units, said):
    with pytest.raises(svp_core.ConfigError) as error:
        cut(network, units)
    assert said in str(error.value) and "\n" not in str(error.value)
