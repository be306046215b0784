"""Rates of units of their own (recipe.lr_ratio), and of layers that have a factor of the rate."""

from itertools import pairwise
from math import cos, pi

import pytest
import torch
from networks import SHAPE, batch, build, build_method, on_three_blocks
from test_interruption import NOISY, interrupt
from test_training import run, without_times
from torch import optim

from svp_core.config import options, resolve
from svp_core.config.comparison import is_same
from svp_core.config.pairs import ConfigError
from svp_core.methods.softhebb import SoftHebb
from svp_core.methods.svp import SVP
from svp_core.recipe import learning_rate
from svp_core.training.run import assemble

FACTORS = (0.5, 1.0, 2.0)  # of three units where the last one's rate is four times the first's
RUN = {"dataset": "digits", "seed": 0}
MODELS = {"mlp": {"depth": 3}, "cnn": {"depth": 4, "width": 8}, "vit": {}, "resnet": {}, "vgg": {}}


def changes(method) -> list[list[torch.Tensor]]:
    """What one step adds to the parameters of every unit."""
    before = [[one.detach().clone() for one in unit] for unit in method.own]
    torch.manual_seed(0)
    method.step(*batch(SHAPE))
    return [
        [new.detach() - old for new, old in zip(*pair, strict=True)]
        for pair in zip(method.own, before, strict=True)
    ]


CASES = {
    "fast": ("svp", {"step": "fast"}),
    "plain": ("svp", {"step": "plain"}),
    "one optimiser": ("svp", {"update": "after"}),
    "plain, one optimiser": ("sll", {"update": "after", "step": "plain"}),
    "a shared readout": ("svp", {"readout": "shared", "d0": 12}),
    "later losses": ("svp", {"overlap": 1}),
    "closed-form readout": ("local_lda", {"d0": 4, "shrinkage": 3.0}),
    "heads": ("predsim", {}),
    "joint heads": ("deep_supervision", {}),
    "Gaussian weights": ("bayes_svp", {"means": "model"}),
    "Gaussian weights, one optimiser": ("bayes_svp", {"means": "model", "update": "after"}),
}


@pytest.mark.parametrize(("method", "given"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("parts", [1, 2])
def test_a_step_of_a_unit_is_longer_by_its_factor(method, given, parts):
    recipe = {"lr": 0.1, "momentum": 0.0, "micro_batches": parts}
    plain, own = (
        on_three_blocks(method, method_options=given, lr_ratio=ratio, **recipe) for ratio in (1, 4)
    )
    moved = zip(changes(plain), changes(own), FACTORS, strict=True)
    for expected, found, factor in moved:
        for one, other in zip(expected, found, strict=True):
            assert one.abs().max() > 0
            torch.testing.assert_close(other, factor * one, rtol=1e-3, atol=1e-6)


def test_units_of_a_pair_and_shared_readouts():
    sizes = {"depth": 3, "width": 4, "stages": 1}
    given = {"method": "hpff", "image_shape": SHAPE, "lr": 0.1, "momentum": 0.0}
    models = [build("cnn", SHAPE, **sizes) for _ in range(2)]
    plain, own = (
        build_method(one, lr_ratio=r, **given) for one, r in zip(models, (1, 4), strict=True)
    )
    for expected, found, factor in zip(changes(plain), changes(own), FACTORS, strict=True):
        for one, other in zip(expected, found, strict=True):
            torch.testing.assert_close(other, factor * one, rtol=1e-3, atol=1e-6)
    shared = on_three_blocks("svp", method_options={"readout": "shared", "d0": 12}, lr_ratio=4)
    rates = [group["lr"] for one in shared.optimizers for group in one.param_groups]
    assert rates == pytest.approx([0.0005, 0.001, 0.002, 0.001])


@pytest.mark.parametrize("kind", ["adamw", "muon", "sgd"])
def test_units_follow_optimisers_of_their_own_through_warm_up_and_cosine(kind):
    """Beside torch's, one a unit, whose rates are written out here."""
    recipe = {"lr": 0.02, "epochs": 4, "warmup_epochs": 1, "weight_decay": 0.1, "optimizer": kind}
    own, known = (on_three_blocks("svp", lr_ratio=r, **recipe) for r in (4, 1))
    theirs = {
        "adamw": lambda unit: optim.AdamW(unit, weight_decay=0.1),
        "sgd": lambda unit: optim.SGD(unit, momentum=0.9, weight_decay=0.1),
        "muon": lambda unit: known.optimizer(unit),
    }
    known.optimizers = [theirs[kind](unit) for unit in known.own]
    rates = [0.02 * 0.5, *(0.02 * (1 + cos(pi * done / 3)) / 2 for done in (0.5, 1.5, 2.5))]
    for epoch, rate in enumerate(rates):
        own.set_learning_rate(learning_rate(epoch + 0.5, own.recipe))
        for one, factor in zip(known.optimizers, FACTORS, strict=True):
            one.param_groups[0]["lr"] = factor * rate
        for method in (own, known):
            method.step(*batch(SHAPE))
    for one, other in zip(own.parameters(), known.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_without_it_there_is_one_rate_and_updates_at_once_have_one_group():
    method = on_three_blocks("svp", method_options={"update": "after"}, lr=0.3)
    ((group,),) = [one.param_groups for one in method.optimizers]
    method.set_learning_rate(0.1)
    assert group["lr"] == 0.1
    (alone,) = on_three_blocks("svp", method_options={"blocks": 3}, lr=0.3, lr_ratio=9).optimizers
    assert alone.param_groups[0]["lr"] == 0.3


@pytest.mark.parametrize("name", options.names("methods"))
def test_methods_of_local_units_have_it_and_others_refuse_it(name):
    """No method takes the option and trains as if it were not there."""
    declared = options.declared("methods", name)
    model = (declared.models or tuple(MODELS))[0]
    given = RUN | {"model": model, "method": name, "model_options": MODELS[model]}
    if not declared.has_unit_rates:
        said = f"recipe.lr_ratio: {name} has no local units of rates of their own; leave 1"
        with pytest.raises(ConfigError, match=f"^{said}$"):
            resolve(given | {"recipe": {"lr_ratio": 9}})
        return
    config = resolve(given | {"recipe": {"lr_ratio": 9, "lr": 0.001}})
    method = assemble(config)
    assert isinstance(method, SVP)
    held = {id(p): group["lr"] for group in groups_of(method) for p in group["params"]}
    rates = [{held[id(one)] for one in unit} for unit in method.own]
    assert all(len(one) == 1 for one in rates)
    rates = [one.pop() for one in rates]
    assert [rates[0], rates[-1]] == pytest.approx([0.001 / 3, 0.003])
    steps = {round(later / sooner, 9) for sooner, later in pairwise(rates)}
    assert len(steps) == 1


def groups_of(method) -> list[dict]:
    return [group for one in method.optimizers for group in one.param_groups]


@pytest.mark.parametrize("update", ["fused", "after"])
def test_a_training_left_in_mid_epoch_ends_with_the_same_record(tmp_path, update):
    settings = [*NOISY, "recipe.lr_ratio=3", f"method_options.update={update}"]
    settings[settings.index("recipe.epochs=3")] = "recipe.epochs=2"
    whole = without_times(run(tmp_path / "whole", settings))
    (tmp_path / "left").mkdir()
    interrupt(tmp_path / "left", settings, 15)
    assert without_times(run(tmp_path / "left", settings)) == whole
    assert whole["config"]["recipe"]["lr_ratio"] == 3


def test_layers_with_rates_of_a_methods_own_are_gone_on_with(tmp_path):
    settings = ["dataset=digits", "model=mlp", "method=softhebb", "seed=0", "recipe.epochs=2"]
    settings += ["recipe.batch_size=100", "model_options.width=16"]
    whole = without_times(run(tmp_path / "whole", settings))
    (tmp_path / "left").mkdir()
    interrupt(tmp_path / "left", settings, 15, kind=SoftHebb)
    assert without_times(run(tmp_path / "left", settings)) == whole


def test_records_of_before_are_those_of_one_rate():
    given = RUN | {"model": "mlp", "method": "svp"}
    recorded = resolve(given)
    del recorded["recipe"]["lr_ratio"]
    assert is_same(recorded, resolve(given))
    assert not is_same(recorded, resolve(given | {"recipe": {"lr_ratio": 3}}))
