"""What every peer of svp must do: learn, resume, be measured, and refuse what it is not for."""

import pytest
import torch
import yaml
from networks import SHAPE, batch, build, build_method, losses_of_step, saved
from snakemake.utils import update_config
from suite_copy import ROOT, change, default_config
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from svp_core import tuning
from svp_core.config import options, resolve
from svp_core.config.pairs import ConfigError
from svp_core.cost.flops import count_flops
from svp_core.cost.memory import measure_step
from workflow.planning import Plan

SIZES = {
    "mlp": {"depth": 3, "width": 16},
    "cnn": {"depth": 4, "width": 4, "stages": 2},
    "resnet": {"width": 4, "depth": 4},
    "vit": {"depth": 2, "width": 16},
}
FEEDBACK = ["fa", "usf", "dfa", "sdfa", "drtp", "pepita", "ff", "symba", "sff"]
LOCAL = ["sgr", "dgl", "auglocal", "infopro", "deep_supervision", "mono_forward", "biofo", "man"]
LOCAL += ["hpff", "pred", "sim"]
BEYOND = ["noprop", "softhebb"]
PEERS = [*FEEDBACK, *LOCAL, *BEYOND]
MODELS = {name: options.declared("methods", name).models or tuple(SIZES) for name in PEERS}
CELLS = [(method, model) for method in PEERS for model in MODELS[method] if model in SIZES]


def on(method: str, model: str, **recipe):
    network = build(model, SHAPE, **SIZES[model])
    return build_method(network, method, image_shape=SHAPE, **recipe)


@pytest.mark.parametrize(("method", "model"), CELLS)
def test_a_batch_is_learned(method, model):
    trained = on(method, model, optimizer="adamw", lr=0.003)
    images, labels = batch(SHAPE)
    torch.manual_seed(0)
    before = F.nll_loss(trained.predict(images).network, labels)
    assert all(losses_of_step(trained, images, labels).isfinite().all() for _ in range(30))
    assert F.nll_loss(trained.predict(images).network, labels) < before


@pytest.mark.parametrize(("method", "model"), CELLS)
def test_a_state_continues_with_the_same_bits(method, model):
    whole, continued = on(method, model), on(method, model)
    whole.step(*batch(SHAPE))
    continued.load_state(saved(whole))
    for one in (whole, continued):
        torch.manual_seed(5)
        one.step(*batch(SHAPE))
    assert all(map(torch.equal, whole.state_dict().values(), continued.state_dict().values()))
    assert torch.equal(whole.drain()["unit_loss"], continued.drain()["unit_loss"])


@pytest.mark.parametrize(("method", "model"), CELLS)
def test_memory_and_operations_are_simulated_exactly(method, model):
    def cost():
        return measure_step(on(method, model), *batch(SHAPE)), count_flops(
            on(method, model), *batch(SHAPE)
        )

    real = cost()
    with FakeTensorMode():
        assert cost() == real


@pytest.mark.parametrize(("method", "model"), CELLS)
def test_bfloat16_keeps_losses_and_weights_in_float32(method, model):
    mixed = on(method, model, precision="bfloat16")
    losses = losses_of_step(mixed, *batch(SHAPE))
    assert losses.dtype == torch.float32 and losses.isfinite().all()
    assert all(one.dtype == torch.float32 for one in mixed.parameters())


def test_two_passes_and_the_gradients_that_nobody_needs_are_counted():
    flops = {name: count_flops(on(name, "mlp"), *batch(SHAPE)) for name in ("bp", *FEEDBACK)}
    hidden, first, last = 2 * 16 * 16, 64 * 16, 16 * 10
    macs = {"bp": 3 * hidden + 2 * first + 3 * last}
    macs["fa"] = macs["usf"] = macs["bp"]
    macs["dfa"] = 2 * (hidden + first + last) + 3 * 10 * 16
    macs["sdfa"] = macs["drtp"] = macs["dfa"]
    macs["pepita"] = 3 * (hidden + first + last) + 10 * 64
    for name, count in macs.items():
        assert flops[name] == 2 * 8 * count, name


@pytest.mark.parametrize("method", ["pepita", "ff", "symba"])
def test_what_is_of_dense_layers_is_refused_elsewhere(method):
    run = {"dataset": "digits", "model": "cnn", "method": method, "seed": 0}
    with pytest.raises(ConfigError, match=f"^model: {method} is defined for mlp, not for cnn$"):
        resolve(run)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("pepita", {"recipe": {"micro_batches": 2}}, "feedback: a batch passes twice as a whole"),
        ("ff", {"recipe": {"micro_batches": 2}}, "label: a batch passes with two labels"),
        ("ff", {"model_options": {"depth": 1}}, "inference: both rules read the layers above"),
        ("symba", {"model_options": {"activation": "tanh"}}, "inference: goodness is of ReLU"),
        ("sff", {"method_options": {"kernel": 4}}, "kernel: 4 is even"),
        ("sff", {"method_options": {"blocks": 9}}, "blocks: 9 exceeds depth 3"),
    ],
)
def test_the_impossible_is_refused_by_name(method, settings, message):
    run = {"dataset": "digits", "model": "mlp", "method": method, "seed": 0}
    with pytest.raises(ConfigError, match=f"method_options.{message}"):
        resolve(run | settings)


def planned_by(*files):
    config = default_config()
    for file in files:
        update_config(config, yaml.safe_load((ROOT / "config" / file).read_text()))
    return config, Plan(config).grid.values()


def test_every_method_has_the_rate_that_its_trials_chose():
    path = ROOT / "results/reference/peers/digits_trials/chosen.yaml"
    _, runs = planned_by("peers.yaml")
    for task, families in yaml.safe_load(path.read_text()).items():
        here = [run for run in runs if f"{run['dataset']}/{run['model']}" == task]
        rates = {(run["method"], run["variant"]): run["recipe"]["lr"] for run in here}
        names = {name: (name, "default") for name in families}
        names |= {"detach": ("deep_supervision", "detach")}
        found = {name: rates[names[name]] for name in families}
        assert found == {name: one["recipe"]["lr"] for name, one in families.items()}, task


@pytest.mark.parametrize("name", ["peers_tuning", "peers_images_tuning"])
def test_every_method_has_as_many_trials_of_the_same_rates(name):
    study = tuning.read_study(ROOT / f"config/{name}.yaml")
    for task, family in tuning.families(study):
        ours, of_bp = (tuning.trials(study, task, one) for one in (family, "bp"))
        assert [run["recipe"] for run in ours] == [run["recipe"] for run in of_bp]
        assert len({run["recipe"]["lr"] for run in ours}) == 4
        assert all(run["method_options"].keys() <= {"detach"} for run in ours)


def test_the_config_of_the_peers_is_planned_and_leaves_out_what_is_not_defined():
    config, runs = planned_by("peers.yaml")
    planned = {(run["method"], run["model"]) for run in runs}
    assert planned >= {(method, model) for method, model in CELLS if model != "resnet"}
    left_out = config["grid"]["leave_out"]
    assert len(left_out) == len(set(PEERS)) * 3 - len({one for one in planned if one[0] in PEERS})
    with pytest.raises(ConfigError, match="leave_out: digits/mlp/fa2 is no task of the grid"):
        Plan(change(config, "grid.leave_out", ["digits/mlp/fa2"]))
    with pytest.raises(ConfigError, match="model: infopro is defined for cnn, resnet, not for"):
        Plan(change(config, "grid.leave_out", [one for one in left_out if "infopro" not in one]))


def test_further_cells_have_the_same_methods_for_their_models():
    here, there = (
        {(run["method"], run["variant"], run["model"]) for run in planned_by(*files)[1]}
        for files in (["peers.yaml"], ["peers.yaml", "peers_images.yaml"])
    )
    assert here - there == {one for one in here if one[1] in ("authors", "deep")}
    _, runs = planned_by("peers.yaml", "peers_images.yaml")
    for task in ("mnist/mlp", "fashion_mnist/mlp", "cifar10/cnn", "cifar10/vit"):
        dataset, model = task.split("/")
        found = {
            run["method"] for run in runs if (run["dataset"], run["model"]) == (dataset, model)
        }
        assert found == {method for method, _, one in here if one == model}, task
