"""The code of docs/api.md and of docs/api.py runs as it stands."""

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_runs_from_top_to_bottom(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "api.md").read_text(), re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, "docs/api.md", "exec"), names)
    assert len(blocks) == 4 and len(names["losses"]) == 2
    printed = capsys.readouterr().out
    assert "head  the output" in printed and "local_lda" in printed


@pytest.mark.slow
def test_the_script_trains_a_residual_network_and_a_transformer(capsys):
    names = runpy.run_path(str(DOCS / "api.py"))
    assert len(names["found"].unit_accuracy) == 4 and names["found"].accuracy > 30
    assert names["accuracies"].keys() == {"bp", "svp"} and min(names["accuracies"].values()) > 10
    costs = names["costs"]
    assert costs["svp"]["activations"] < costs["bp"]["activations"]
    assert "layer4.1" in capsys.readouterr().out
