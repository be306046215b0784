"""svp_core.Trainer trains a network of one's own as the workflow trains it, number by number."""

from copy import deepcopy
from functools import partial
from pathlib import Path

import own_networks
import pytest
import torch
from torch import nn, optim

import svp_core
from svp_core.config import resolve
from svp_core.seeds import derive
from svp_core.training import run as workflow
from svp_core.training.checkpoint import Saving

SHAPE, CPU = (1, 8, 8), torch.device("cpu")
RECIPE = {"epochs": 2, "lr": 0.003, "train_images": 640}
STEPS = 10
NETWORKS = ["mlp", "resnet18", "vit"]


@pytest.fixture(scope="module")
def digits():
    """Training and test images as the workflow reads them."""
    run = {"dataset": "digits", "model": "mlp", "method": "bp", "seed": 0, "recipe": RECIPE}
    return workflow.load_images(resolve(run), Path(), CPU)


def drawn(make, seed=0) -> nn.Module:
    """A network with the weights that a run of this seed starts from."""
    torch.manual_seed(derive(seed, "weights"))
    return make()


def trainer(network, method="svp", **settings) -> svp_core.Trainer:
    return svp_core.Trainer(network, classes=10, image_shape=SHAPE, method=method, **settings)


def batch(size: int = 8, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(size, *SHAPE, generator=generator)
    return images, torch.randint(10, (size,), generator=generator)


@pytest.mark.parametrize("method", ["bp", "svp", "local_lda"])
def test_a_training_has_the_numbers_of_the_workflows(method, digits, tmp_path):
    run = {"dataset": "digits", "model": "mlp", "method": method, "seed": 0, "recipe": RECIPE}
    # layers that a cut network calls are not those that the fast step knows: other temporaries
    plain = {} if method == "bp" else {"step": "plain"}
    sizes = {"model_options": {"depth": 2, "width": 32}, "method_options": plain}
    record = workflow.train(
        resolve(run | sizes), tmp_path / "record.json", Saving(None, 0), Path(), CPU
    )
    network = drawn(own_networks.mlp_blocks)
    units = ["2", "4"]
    own = trainer(network, method, units=units, recipe=RECIPE, steps_per_epoch=STEPS, **plain)
    train, test = digits
    for number, entry in enumerate(record["curves"], start=1):
        losses = [own.step(*one) for one in train.shuffled(64, 0, number)]
        assert (sum(losses[1:], start=losses[0]) / STEPS).tolist() == entry["unit_loss"]
        found = own.evaluate(test.in_order(500), ["nll"])
        assert [found.accuracy, found.unit_accuracy] == [
            entry["test_accuracy"],
            entry["unit_accuracy"],
        ]
    assert found.metrics["nll"] == record["curves"][-1]["metrics"]["nll"]
    assert own.count(64) * 2 * STEPS == record["train_flops"]
    memory = own.peak_memory(64)
    assert memory["total"] == record["tensor_bytes"]
    assert memory["activations"] == record["activation_bytes"]


@pytest.mark.parametrize("method", ["bp", "local_lda"])
@pytest.mark.parametrize("name", NETWORKS)
def test_steps_are_those_of_the_model_own(name, method):
    sizes = {"factory": f"own_networks:{name}"}
    run = {"dataset": "digits", "model": "own", "model_options": sizes, "method": method}
    theirs = workflow.assemble(resolve(run | {"seed": 3}))
    ours = trainer(drawn(getattr(own_networks, name), 3), method, seed=3)
    for seed in range(2):
        theirs.train().step(*batch(seed=seed))
        assert torch.equal(ours.step(*batch(seed=seed)), theirs.drain()["unit_loss"])
    images, _ = batch(4, seed=9)
    with torch.no_grad():
        assert torch.equal(ours.predict(images), theirs.eval().predict(images).network)


@pytest.mark.parametrize(
    ("name", "model", "sizes"),
    [
        ("resnet18", "resnet", {"stem": "imagenet"}),
        ("vit", "vit", {"depth": 2, "width": 16, "heads": 2}),
    ],
)
def test_steps_are_those_of_the_suites_model_of_this_architecture(name, model, sizes):
    run = {"dataset": "digits", "model": model, "model_options": sizes, "method": "svp", "seed": 0}
    theirs = workflow.assemble(resolve(run))
    ours = trainer(getattr(own_networks, name)())
    blocks = [nn.ModuleList(one.blocks for one in each.units) for each in (ours.method, theirs)]
    given: dict[tuple, list] = {}  # weights by their shapes, which both have in the same order
    for value in blocks[1].state_dict().values():
        given.setdefault(tuple(value.shape), []).append(value)
    for value in blocks[0].state_dict().values():
        value.copy_(given[tuple(value.shape)].pop(0))
    assert not any(given.values())
    images, labels = batch(seed=1)
    theirs.train().step(images, labels)
    assert torch.equal(ours.step(images, labels), theirs.drain()["unit_loss"])


def test_the_network_itself_is_trained():
    network = own_networks.mlp()
    before = deepcopy(network.state_dict())
    trainer(network, "bp").step(*batch())
    assert all(not torch.equal(before[key], one) for key, one in network.state_dict().items())


def test_a_list_of_modules_is_a_network(digits):
    whole, parts = (drawn(own_networks.mlp_blocks) for _ in range(2))
    one, other = trainer(whole, units=["2", "4"]), trainer([parts[:3], parts[3:]])
    assert torch.equal(one.step(*batch()), other.step(*batch()))


def test_a_state_continues_with_equal_numbers():
    def made():
        scheduler = partial(optim.lr_scheduler.ExponentialLR, gamma=0.5)
        sgd = partial(optim.SGD, lr=0.1, momentum=0.9)
        return trainer(drawn(own_networks.mlp), optimizer=sgd, scheduler=scheduler, readout="lda")

    whole, first, second = made(), made(), made()
    expected = [whole.step(*batch(seed=seed)) for seed in range(4)]
    for seed in range(2):
        first.step(*batch(seed=seed))
    second.load_state_dict(deepcopy(first.state_dict()))
    found = [second.step(*batch(seed=seed)) for seed in (2, 3)]
    assert torch.equal(torch.stack(found), torch.stack(expected[2:]))
    assert [one.param_groups[0]["lr"] for one in second.optimizers] == [0.1 / 16] * 2


def test_an_optimiser_of_ones_own_also_serves_fused_backpropagation():
    sgd = partial(optim.SGD, lr=0.1)
    nets = [drawn(own_networks.mlp) for _ in range(2)]
    for network, update in zip(nets, ("after", "fused"), strict=True):
        trainer(network, "bp", optimizer=sgd, update=update).step(*batch())
    assert all(map(torch.equal, nets[0].parameters(), nets[1].parameters()))


def test_bfloat16_and_micro_batches_train():
    recipe = {"precision": "bfloat16", "micro_batches": 2}
    own = trainer(own_networks.mlp(), recipe=recipe).to("cpu")
    losses = torch.stack([own.step(*batch(16)) for _ in range(30)])
    assert losses.dtype == torch.float32 and (losses[-1] < losses[0]).all()


def test_costs_stand_side_by_side():
    found = svp_core.step_costs(own_networks.mlp(), 16, classes=10, image_shape=SHAPE)
    assert list(found) == ["bp", "svp"]
    assert found["svp"]["flops"] == trainer(own_networks.mlp()).count(16)
    assert [line.split()[0] for line in str(found).splitlines()[:3]] == [
        "bp",
        "flops",
        "parameters",
    ]


WRONG_BATCHES = {
    "labels: 10 is no class of 0..9": lambda x, y: (x, 0 * y + 10),
    "labels: -1 is no class of 0..9": lambda x, y: (x, y * 0 - 1),
    "not int64": lambda x, y: (x, y.float()),
    "not int64 of (8,)": lambda x, y: (x, y[:-1]),
    "images: (8, 1, 8, 8) of torch.uint8": lambda x, y: (x.byte(), y),
    "images: (8, 1, 8, 7)": lambda x, y: (x[..., 1:], y),
    "the batch has no images": lambda x, y: (x[:0], y[:0]),
    "one image: batch norm": lambda x, y: (x[:1], y[:1]),
}


@pytest.mark.parametrize("said", WRONG_BATCHES)
def test_a_wrong_batch_is_refused_and_nothing_is_trained(said):
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))
    own, before = trainer(network), deepcopy(network.state_dict())
    with pytest.raises(svp_core.BatchError) as error:
        own.step(*WRONG_BATCHES[said](*batch()))
    assert said in str(error.value) and "\n" not in str(error.value)
    assert all(map(torch.equal, before.values(), network.state_dict().values()))


def test_an_empty_loader_is_refused():
    with pytest.raises(svp_core.BatchError, match="the loader has no images"):
        trainer(own_networks.mlp()).evaluate([])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"classes": 3}, "classes: 3, but the head of the network returns 10 values"),
        ({"image_shape": (3, 8, 8)}, "block 1 of the network does not take 3x8x8 an image"),
        ({"method": "nothing"}, "method: 'nothing' is not one of"),
        ({"blocks": 3}, "blocks: 3 exceeds depth 2"),
        ({"d0": 5}, "d0: 5 rows cannot be read as 10 class logits"),
        ({"momentum": 0.5}, "momentum: an option of the readout"),
        ({"recipe": {"lr": -1}}, "recipe.lr: -1"),
        ({"pool": "cls", "units": ["0", "4"]}, "pool: it makes no vector"),
        ({"steps_per_epoch": 3, "optimizer": optim.SGD}, "steps_per_epoch: "),
        ({"recipe": {"lr_ratio": 3}, "optimizer": optim.SGD}, "recipe.lr_ratio: of the recipe's"),
        ({"recipe": {"cuda_graphs": True}}, "recipe.cuda_graphs: a Trainer has none"),
        ({"recipe": {"lr_ratio": 3}, "method": "bp"}, "recipe.lr_ratio: bp has no local units"),
    ],
)
def test_wrong_settings_are_refused_in_a_line(settings, said):
    with pytest.raises(svp_core.ConfigError) as error:
        svp_core.Trainer(own_networks.mlp(), **{"classes": 10, "image_shape": SHAPE} | settings)
    assert said in str(error.value) and "\n" not in str(error.value)
