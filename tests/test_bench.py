"""The benchmark of steps: methods take turns, and the last line is JSON."""

import json

import pytest

from svp_core.bench import main
from svp_core.cost import measure

SMALL = ["step", "--model", "mlp", "--depth", "2", "--width", "16", "--batch", "8"]


def test_the_last_line_holds_medians_and_ratios(capsys):
    specs = ["bp", "svp", "svp:d0=12:readout=shared"]
    assert main([*SMALL, "--methods", *specs, "--steps", "6", "--threads", "1"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    first, second, _ = result["results"]
    assert [one["method"] for one in result["results"]] == specs
    assert first["ratio"] == 1
    low, high = second["quartiles"]
    assert 0 < low <= second["seconds"] <= high
    assert result["device"] and result["threads"] == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [("backprop", "'backprop' is not one of"), ("svp:d1=3", "'d1' was unexpected")],
)
def test_an_unknown_method_or_option_is_named(capsys, spec, message):
    assert main([*SMALL, "--methods", spec]) == 1
    assert message in capsys.readouterr().err


def test_an_impossible_size_is_named(capsys):
    assert main([*SMALL, "--depth", "0"]) == 1
    assert "model_options.depth: 0 is less than the minimum of 1" in capsys.readouterr().err


@pytest.mark.parametrize("command", [main, measure.main])
def test_one_step_has_no_quartiles(capsys, command):
    with pytest.raises(SystemExit):
        command(["step", "--model", "mlp", "--steps", "1"])
    assert "--steps: quartiles need at least 2" in capsys.readouterr().err
