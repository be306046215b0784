"""Methods trained as they are best: `own` of a task, and configs that say what was chosen."""

import re

import pytest
import yaml
from snakemake.utils import update_config
from suite_copy import ROOT, change, default_config

from svp_core.config import resolve
from svp_core.config.pairs import ConfigError
from workflow import planning

OWN = "tasks.digits/mlp.own"
CHOSEN = ROOT / "results/reference/cifar_cpu/trials/chosen.yaml"


def grid(value) -> dict:
    """The runs of the default config with such an `own`."""
    return planning.Plan(change(default_config(), OWN, value)).grid


def test_a_method_has_training_settings_of_its_own():
    own = {"svp": {"recipe": {"lr": 0.5}, "model": {"width": 8}}}
    runs, before = grid(own), planning.Plan(default_config()).grid
    run = runs["digits/mlp/svp/default/0"]
    assert (
        run["recipe"]["lr"] == 0.5
        and run["model_options"] | {"width": 8, "depth": 4} == run["model_options"]
    )
    assert run["recipe"]["epochs"] == before["digits/mlp/svp/default/0"]["recipe"]["epochs"]
    others = [name for name in runs if not name.startswith("digits/mlp/svp/")]
    assert len(others) == len(before) - 5 and all(runs[name] == before[name] for name in others)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"backprop": {}}, "config tasks.digits/mlp.own.method: 'backprop' is not one of"),
        ({"svp": {"options": {}}}, "tasks.digits/mlp.own.svp.options: not one of ['model', 'recip"),
        ({"svp": {"recipe": {"rate": 1}}}, "tasks.digits/mlp.own.svp.recipe"),
        ({"svp": {"model": {"depth": 0}}}, "tasks.digits/mlp.own.svp.model.depth: 0 is less"),
        ({"svp": 1}, "tasks.digits/mlp.own.svp: 1 is not a mapping"),
    ],
)
def test_what_cannot_be_its_own_is_refused_by_name(own, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        grid(own)


@pytest.mark.parametrize(("name", "count"), [("cifar_cpu", 19), ("mnist", 4)])
def test_the_configs_train_what_the_trials_chose(name, count):
    names = yaml.safe_load((ROOT / "config/tuning.yaml").read_text())["tasks"]
    config = default_config()
    update_config(config, yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))
    runs, compared = planning.Plan(config).grid, 0
    for task, families in yaml.safe_load(CHOSEN.read_text()).items():
        for family, chosen in families.items():
            if f"{task}/{names[task]['families'][family]['method']}/default/0" not in runs:
                continue  # it is of another config
            method, variant = (
                names[task]["families"][family][key] for key in ("method", "variant")
            )
            run = resolve(runs[f"{task}/{method}/{variant}/0"])
            sizes = resolve(run | {"model_options": chosen["model_options"]})["model_options"]
            assert run["model_options"] == sizes, family
            images = {"train_images": run["recipe"]["train_images"], "validation_images": None}
            # options that came later have their defaults
            recipe = resolve(run | {"recipe": chosen["recipe"] | images})["recipe"]
            assert run["recipe"] == recipe, family
            options = run["method_options"]
            given = {k: v for k, v in chosen["method_options"].items() if k in options}
            if "inference" in options:  # which is chosen after the trials, of all that they know
                given["inference"] = chosen["inference"]
            assert options == resolve(run | {"method_options": given})["method_options"], family
            compared += 1
    assert compared == count
