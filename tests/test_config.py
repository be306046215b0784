"""Configs: defaults, and offences that are refused by name."""

import subprocess
import sys
from pathlib import Path

import pytest

from svp_core.config import options, resolve
from svp_core.config.pairs import ConfigError, format_pairs, parse_pairs

ROOT = Path(__file__).parents[1]
RUN = {"dataset": "digits", "model": "mlp", "method": "svp", "seed": 0}


def test_defaults_are_filled_in():
    config = resolve(RUN)
    assert config["method_options"]["alignment"] == "gaussian_kl"
    assert config["variant"] == "default"
    recipe = options.schema(options.declared("", "recipe"))["properties"]
    assert config["recipe"] == {name: rules["default"] for name, rules in recipe.items()}
    assert config["metrics"] == ["nll", "ece"] and config["metrics_every"] is None


def test_resolving_twice_changes_nothing():
    assert resolve(resolve(RUN)) == resolve(RUN)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sed": 1}, "'sed' was unexpected"),
        ({"seed": -1}, "seed: -1 is less than the minimum of 0"),
        ({"seed": "0"}, "seed: '0' is not of type 'integer'"),
        ({"dataset": "mnisst"}, "dataset: 'mnisst' is not one of ["),
        ({"model": "mpl"}, "model: 'mpl' is not one of ["),
        ({"method": "backprop"}, "method: 'backprop' is not one of ["),
        ({"model_options": {"deep": 3}}, "model_options: "),
        ({"model_options": {"depth": 0}}, "model_options.depth: 0 is less than the minimum of 1"),
        ({"method_options": {"alignment": "kll"}}, "method_options.alignment: 'kll' is not one of"),
        ({"method_options": {"beta": -1}}, "method_options.beta: -1 is less than"),
        ({"recipe": {"lr": 0}}, "recipe.lr: 0 is less than or equal to the minimum of 0"),
        ({"recipe": {"momentun": 0.9}}, "'momentun' was unexpected"),
        ({"recipe": {"batch_size": 64.0}}, "recipe.batch_size: 64.0 is not of type 'integer'"),
        ({"seed": 1.0}, "seed: 1.0 is not of type 'integer'"),
        ({"recipe": {"epochs": True}}, "recipe.epochs: True is not of type 'integer'"),
        ({"recipe": {"epochs": 2, "warmup_epochs": 3}}, "recipe.warmup_epochs: 3 exceeds epochs 2"),
        ({"recipe": {"batch_size": 5000}}, "recipe.batch_size: 5000 exceeds the 1257 images"),
        ({"method_options": {"blocks": 4}}, "method_options.blocks: 4 exceeds depth 3"),
        ({"method_options": {"d0": 20}}, "method_options.d0: 20 rows cannot be read as 10 class"),
        (
            {"method_options": {"projection": "identity", "d0": 9, "readout": "private"}},
            "method_options.d0: 9 rows, but the projection identity has none",
        ),
        ({"method_options": {"projection": "identity"}}, "readout: identity without a projection"),
        (
            {"method_options": {"projection": "identity", "shared": True, "readout": "private"}},
            "method_options.shared: the projection identity has no matrix",
        ),
        (
            {"method_options": {"projection": "orthogonal", "d0": 300, "readout": "private"}},
            "method_options.d0: 300 rows cannot be orthogonal in a width of 256",
        ),
        (
            {"model": "cnn", "method_options": {"shared": True}},
            "method_options.shared: one projection cannot read units of widths [512, 512, 1024, ",
        ),
        (
            {"model": "cnn", "method_options": {"alignment": "feature_kl"}},
            "method_options.alignment: feature_kl cannot compare units of widths",
        ),
        (
            {"model": "cnn", "method_options": {"projection": "identity", "readout": "private"}},
            "method_options.alignment: gaussian_kl cannot compare units of widths",
        ),
        (
            {
                "model": "cnn",
                "method_options": {
                    "projection": "identity",
                    "readout": "shared",
                    "alignment": "none",
                },
            },
            "method_options.readout: shared without a projection, but widths are",
        ),
        ({"method": "bp", "method_options": {"beta": 1}}, "'beta' was unexpected"),
        ({"model": "cnn", "model_options": {"depth": 5}}, "model_options.depth: 5 is no multiple"),
        ({"model": "cnn", "model_options": {"stages": 4}}, "model_options.stages: 4 halvings need"),
        ({"model": "vit", "model_options": {"patch": 3}}, "model_options.patch: 3 does not divide"),
        ({"model": "vit", "model_options": {"heads": 5}}, "model_options.width: 64 is no multiple"),
    ],
)
def test_an_offence_is_named(changes, message):
    with pytest.raises(ConfigError) as caught:
        resolve(RUN | changes)
    assert message in str(caught.value)


def test_units_of_equal_width_may_share_a_projection():
    sizes, options = {"depth": 4}, {"shared": True, "alignment": "feature_kl", "blocks": 2}
    for model in ("mlp", "vit"):
        run = RUN | {"model": model, "model_options": sizes, "method_options": options}
        assert resolve(run)["method_options"]["shared"]


WITHOUT_TORCH = """
import sys
from svp_core.config import AXES, options, resolve
for run in %r:
    resolve(run)
parts = ("projections", "readouts", "alignments", "auxiliaries", "inferences")
for folder in (*AXES.values(), *(f"local/{name}" for name in parts)):
    for name in options.names(folder) if folder not in ("datasets", "metrics") else ():
        options.schema(options.declared(folder, name))
options.schema(options.declared("", "recipe"))
print("torch" in sys.modules)
"""


def test_options_are_declared_and_common_configs_are_checked_without_torch():
    """Every start of the workflow plans all its questions, among them that of the alignment."""
    runs = [RUN, RUN | {"method_options": {"alignment": "feature_kl"}}]
    printed = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH % (runs,)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == "False\n"


def test_settings_survive_a_command_line():
    config = resolve(RUN | {"recipe": {"lr": 1e-5}, "variant": "no"})
    assert resolve(parse_pairs(format_pairs(config))) == config


def test_scientific_notation_is_a_number():
    assert parse_pairs(["recipe.lr=1e-3"]) == {"recipe": {"lr": 0.001}}


@pytest.mark.parametrize("pairs", [["seed"], ["seed=1", "seed=2"], ["seed=1", "seed.x=2"]])
def test_malformed_settings_are_named(pairs):
    with pytest.raises(ConfigError, match="seed"):
        parse_pairs(pairs)
