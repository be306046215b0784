"""What files of workflow/ablations ask for: checked, and each for itself."""

import pytest
from suite_copy import default_config

from svp_core.config.pairs import ConfigError
from workflow.planning import Plan
from workflow.studies import Study


def plan(name: str, tasks=("digits/mlp",), seed=(0,), **axes) -> Plan:
    """The plan of the default config and one study of svp."""
    one = Plan(default_config())
    one.add_study(Study(name, "svp", tuple(tasks), tuple(seed), axes))
    return one


def test_a_study_that_is_impossible_stops_no_other():
    one = plan("bad", blocks=[1, 9])
    one.add_study(Study("good", "svp", ("digits/mlp",), (0,), {"scale": [2.0, 4.0]}))
    names, _ = one.study_runs("good")
    assert [one.run(name)["method_options"]["scale"] for name in names] == [2.0, 4.0]
    with pytest.raises(ConfigError, match="ablation bad: fewer than two"):
        one.part("ablations")
    assert one.part("grid") is one.grid


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": [1.0]}, "ablation x: seed.0: 1.0 is not of type 'integer'; write 1"),
        ({"seed": [2**32]}, "seed.0: 4294967296 is greater"),
        ({"scale": [1.0, float("nan")]}, "method_options.scale: nan .* not finite"),
        ({"tasks": ["mnisst/mlp"]}, "mnisst/mlp: dataset: 'mnisst' is not one of"),
    ],
)
def test_what_a_study_varies_is_checked(changes, message):
    with pytest.raises(ConfigError, match=message):
        plan("x", **{"scale": [1.0, 2.0]} | changes).study_runs("x")


def test_a_study_of_several_methods_gives_each_its_options():
    one = Plan(default_config())
    methods = {"bp": {}, "svp": {"blocks": [1, 2], "scael": 0}, "sll": {"blocks": [4, 5]}}
    one.add_study(Study("x", methods, ("digits/mlp",), (0,), {"recipe.lr": [0.003, 0.01]}))
    names, left_out = one.study_runs("x")
    found = [name.removeprefix("digits/mlp/").removesuffix("/0") for name in names]
    both = ["bp/default", "bp/recipe.lr-0.01"]
    assert found == [*both, "sll/blocks-4", "sll/blocks-4_recipe.lr-0.01"]
    assert len(left_out) == 6
    assert left_out[-2].startswith("digits/mlp, sll: blocks=5: method_options.blocks: 5 exceeds")
    assert one.run(names[0]) == one.grid[names[0]]  # the default of a task is one run


def test_a_study_of_an_unknown_method_stops():
    one = Plan(default_config())
    one.add_study(Study("x", {"bp": {}, "svvp": {}}, ("digits/mlp",), (0,), {}))
    with pytest.raises(ConfigError, match="ablation x: method: 'svvp' is not one of"):
        one.study_runs("x")
