"""What the workflow refuses before any job, and how it says so."""

import re
from pathlib import Path

import pytest
from suite_copy import TINY, change, copy_suite, default_config, snakemake

from svp_core.config.pairs import ConfigError
from workflow import checking

pytestmark = pytest.mark.slow


@pytest.fixture
def suite(tmp_path) -> Path:
    """A copy of the suite that a test may change."""
    return copy_suite(tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("grid.seed", [0, "one"], "config grid.seed.1: 'one' is not of type 'integer'"),
        ("grid.seed", [1.0], "config grid.seed.0: 1.0 is not of type 'integer'; write 1"),
        ("tasks.digits_mlp", {}, "'digits_mlp' does not match"),
        ("variants", [{"name": "default", "method": "svp"}], "config variants.0.name: "),
        (
            "cost.quick.simulate.mlp",
            [{"depth": [0]}],
            "config cost.quick.simulate.mlp.0.depth.0: 0",
        ),
    ],
)
def test_the_schema_names_what_is_wrong(path, value, message):
    with pytest.raises(ConfigError, match=message):
        checking.check(change(default_config(), path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("grid.sede", [0], "'sede' was unexpected"),
        ("tasks.digits/mlp.svp", {"beta": -1}, "config tasks.digits/mlp.svp.beta: -1 is less than"),
        ("cost.full.measure.mpl", [{}], "config cost.full.measure.mpl: not in cost.models"),
    ],
)
def test_a_bad_config_stops_before_any_job(suite, path, value, message):
    printed = snakemake(suite, config=change(TINY, path, value), ok=False)
    assert re.search(message, printed), printed
    assert "Traceback" not in printed
    assert not (suite / "results").exists() and not (suite / "logs").exists()


def test_a_key_that_stands_twice_stops_before_any_job(suite):
    (suite / "twice.yaml").write_text("grid: {seed: [0], model: [mlp], seed: [1]}\n")
    printed = snakemake(suite, "-n", "--configfile", "twice.yaml", ok=False)
    assert re.search(r"twice\.yaml: not YAML: line 1: the key 'seed' stands twice", printed)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("ablation", "ablation: no question of its own"),
        ("results/runs/mnisst/mlp/bp/default/0.json", "No rule to produce"),
        ("results/data/mnisst.json", "No rule to produce"),
    ],
)
def test_what_cannot_be_made_is_said(suite, target, message):
    assert message in snakemake(suite, "-n", target, ok=False)


def test_a_figure_without_a_caption_is_refused(suite):
    (suite / "figures/memory.py").write_text("print()\n")
    printed = snakemake(suite, "-n", ok=False)
    assert "figures/memory.py has no docstring, which is the caption of its figure" in printed
