"""Options beside their code: read without torch, checked, merged, and compared over time."""

import subprocess
import sys
from pathlib import Path

import pytest
from new_files import edit, write

from svp_core.config import options, resolve
from svp_core.config.comparison import is_same
from svp_core.config.pairs import ConfigError

ROOT = Path(__file__).parents[1]
RUN = {"dataset": "digits", "model": "mlp", "method": "svp", "seed": 0}
READ_ALL = """
import sys
sys.modules["torch"] = None  # importing it is an error
from svp_core.config import options
print(*options.declared("", "recipe").__annotations__)
for folder in ("models", "methods", "local/projections", "local/readouts", "local/alignments"):
    for name in options.names(folder):
        print(folder, name, *options.schema(options.of(folder, name, {}))["properties"])
"""


def test_the_options_of_every_file_are_read_without_torch():
    printed = subprocess.run(
        [sys.executable, "-c", READ_ALL], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(printed) > 20 and "epochs batch_size" in printed[0]
    (svp,) = (line for line in printed if line.startswith("methods svp "))
    assert {"scale", "draw", "alignment_std"} <= set(svp.split())


TOY = '''"""A method that imports what is not there."""

import not_installed
from math import prod as product
from svp_core.config import options as declare
from svp_core.config.run import MethodOptions

SIZES = (1, 2, LARGEST := 3)
UNUSED = not_installed.thing
TABLE: dict = {"a": SIZES}


def size(*numbers):
    return product(numbers)


def build():
    return not_installed.build()


class Options(MethodOptions):
    """Found through an alias, constants, a table and a function."""

    size: int = declare.integer(size(*TABLE["a"]), "how large", at_least=min(SIZES))
    build: str = declare.choice("now", "later", meaning="called as a function of the file")
    law: str = declare.part("projections", "gaussian", "a part")
'''


def test_what_options_need_is_found_and_nothing_else_is_run(package):
    write(package, "methods/toy.py", TOY)
    assert options.fill("methods", "toy", {}).size == 6
    with pytest.raises(ConfigError, match="size: 0 is less than the minimum of 1"):
        options.fill("methods", "toy", {"size": 0})


def test_a_new_part_is_an_option_at_once(package):
    write(package, "local/projections/new.py", "def draw(rows, columns, generator): ...\n")
    assert options.fill("methods", "svp", {"projection": "new"}).projection == "new"


def test_a_file_without_options_is_named(package):
    write(package, "methods/bare.py", "build = None\n")
    with pytest.raises(ConfigError, match=r"svp_core/methods/bare\.py has no class Options"):
        resolve(RUN | {"method": "bare"})


def test_a_part_brings_its_options_and_refusals(package):
    text = "from svp_core.config.options import OptionSet, integer\n"
    text += "class Options(OptionSet):\n    extra: int = integer(3, 'more')\n"
    text += "    def refuse(self, run):\n"
    text += "        if self.extra > self.d0:\n            yield f'extra: {self.extra} > d0'\n"
    write(package, "local/projections/new.py", text)
    new = {"projection": "new", "d0": 10}
    assert resolve(RUN | {"method_options": new})["method_options"]["extra"] == 3
    assert "extra" not in resolve(RUN)["method_options"]
    with pytest.raises(ConfigError, match=r"^method_options\.extra: 11 > d0$"):
        resolve(RUN | {"method_options": new | {"extra": 11}})


@pytest.mark.parametrize("alignment", ["gaussian_kl", "feature_kl"])
def test_the_gaussian_alignments_have_a_width(alignment):
    given = {"alignment": alignment}
    assert options.fill("methods", "svp", given).alignment_std == 10
    assert options.fill("methods", "svp", given | {"alignment_std": 2.5}).alignment_std == 2.5
    with pytest.raises(ConfigError, match="alignment_std: 0 is less than or equal to the minimum"):
        options.fill("methods", "svp", given | {"alignment_std": 0})


@pytest.mark.parametrize("method", ["svp", "sll"])
@pytest.mark.parametrize("alignment", ["kl", "bhattacharyya", "none"])
def test_other_alignments_refuse_it_by_name(method, alignment):
    given = {"alignment": alignment, "alignment_std": 2.0}
    with pytest.raises(ConfigError) as caught:
        resolve(RUN | {"method": method, "method_options": given})
    message = str(caught.value)
    assert message.startswith("method_options.alignment_std: an option of the alignment ")
    assert message.endswith(f", but alignment is {alignment}")


def test_options_of_a_displaced_part_go_with_it():
    base = {"scale": 8.0, "alignment_std": 20.0}
    merged = options.merged("methods", "svp", base, {"alignment": "none"})
    assert merged == {"scale": 8.0, "alignment": "none"}
    kept = options.merged("methods", "svp", base, {"alignment": "feature_kl"})
    assert kept == base | {"alignment": "feature_kl"}
    assert options.merged("methods", "svp", base, {"scale": 1.0}) == base | {"scale": 1.0}
    asked = options.merged("methods", "svp", base, {"alignment": "none", "alignment_std": 1.0})
    with pytest.raises(ConfigError, match="alignment_std: an option of the alignment"):
        options.fill("methods", "svp", asked)
    assert base == {"scale": 8.0, "alignment_std": 20.0}


@pytest.mark.parametrize("name", ["scale", "alignment_std"])
def test_an_option_declared_twice_is_refused(package, name):
    text = "from svp_core.config.options import OptionSet, number\n"
    text += f"class Options(OptionSet):\n    {name}: float = number(1.0, 'again')\n"
    write(package, "local/readouts/twice.py", text)
    given = {"readout": "twice"}
    with pytest.raises(ConfigError, match=f"the option {name} is declared twice"):
        options.fill("methods", "svp", given)


def test_like_keeps_the_meaning_and_changes_the_default():
    svp, sll = (
        options.schema(options.declared("methods", name))["properties"] for name in ("svp", "sll")
    )
    assert sll["alignment"] == svp["alignment"] | {"default": "bhattacharyya"}
    assert svp["alignment"]["default"] == "gaussian_kl"
    assert {k: v for k, v in sll.items() if k != "alignment"} == {
        k: v for k, v in svp.items() if k != "alignment"
    }


class Kinds(options.OptionSet):
    choice: str = options.choice("a", "b", meaning="one")
    second: int = options.choice(1, 2, meaning="of numbers", default=2)
    count: int = options.integer(3, "whole", at_least=2)
    maybe: int | None = options.integer(None, "or null", at_least=1)
    share: float = options.number(0.5, "bounded", at_least=0, below=1)
    rate: float = options.number(1.0, "positive", above=0)
    either: float | str = options.number(0.3, "or a word", above=0, or_word="auto")
    is_on: bool = options.flag(False, "yes or no")
    list: list = options.option([1], "several", type="array", items={"type": "integer"})


def test_a_schema_has_meanings_ranges_and_defaults():
    schema = options.schema(Kinds)
    assert schema["additionalProperties"] is False
    assert schema["properties"] == {
        "choice": {"description": "one", "enum": ["a", "b"], "default": "a"},
        "second": {"description": "of numbers", "enum": [1, 2], "default": 2},
        "count": {"description": "whole", "type": "integer", "minimum": 2, "default": 3},
        "maybe": {
            "description": "or null",
            "type": ["integer", "null"],
            "minimum": 1,
            "default": None,
        },
        "share": {
            "description": "bounded",
            "type": "number",
            "minimum": 0,
            "exclusiveMaximum": 1,
            "default": 0.5,
        },
        "rate": {"description": "positive", "type": "number", "exclusiveMinimum": 0, "default": 1},
        "either": {
            "description": "or a word",
            "type": ["number", "string"],
            "exclusiveMinimum": 0,
            "pattern": "^auto$",
            "default": 0.3,
        },
        "is_on": {"description": "yes or no", "type": "boolean", "default": False},
        "list": {
            "description": "several",
            "type": "array",
            "items": {"type": "integer"},
            "default": [1],
        },
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"choice": "c"}, "x.choice: 'c' is not one of ['a', 'b']"),
        ({"count": 1}, "x.count: 1 is less than the minimum of 2"),
        ({"count": None}, "x.count: None is not of type 'integer'"),
        ({"count": 2.5}, "x.count: 2.5 is not of type 'integer'"),
        ({"maybe": 0}, "x.maybe: 0 is less than the minimum of 1"),
        ({"share": 1}, "x.share: 1 is greater than or equal to the maximum of 1"),
        ({"rate": 0}, "x.rate: 0 is less than or equal to the minimum of 0"),
        ({"either": 0}, "x.either: 0 is less than or equal to the minimum of 0"),
        ({"either": "best"}, "x.either: 'best' does not match '^auto$'"),
        ({"is_on": 1}, "x.is_on: 1 is not of type 'boolean'"),
        ({"list": ["a"]}, "x.list.0: 'a' is not of type 'integer'"),
        ({"choise": "a"}, "'choise' was unexpected"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_path(given, message):
    with pytest.raises(ConfigError) as caught:
        options.checked(given, options.schema(Kinds), "x.")
    assert message in str(caught.value)


def test_values_within_their_range_are_taken():
    given = {"second": 1, "count": 2, "maybe": None, "share": 0, "rate": 1e-9, "list": []}
    given["either"] = "auto"
    filled = options.checked(given, options.schema(Kinds), "")
    assert filled == {"choice": "a", "is_on": False} | given
    one, other = Kinds(), Kinds()
    assert one.list == [1] and one.list is not other.list  # no list is shared
    with pytest.raises(AttributeError):
        one.count = 5


ADDED = '    extra: int = integer(0, "added since")\n    projection: str = part('


def test_a_recorded_run_is_the_planned_one_though_an_option_was_added_since(package):
    recorded = resolve(RUN)
    edit(package, "methods/svp.py", "    projection: str = part(", ADDED)
    assert "extra" in resolve(RUN)["method_options"]
    assert is_same(recorded, resolve(RUN))
    assert not is_same(recorded, resolve(RUN | {"method_options": {"extra": 1}}))


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"method_options": {"scale": 2.0}},
        {"recipe": {"lr": 0.5}},
        {"metrics": ["nll"]},
        {"metrics_every": 1},
    ],
)
def test_a_run_with_another_value_is_another(changes):
    assert is_same(resolve(RUN), resolve(RUN))
    assert not is_same(resolve(RUN), resolve(RUN | changes))


def test_a_changed_default_or_a_removed_option_makes_another_run(package):
    recorded = resolve(RUN)
    edit(package, "methods/svp.py", "scale: float = number(1.0", "scale: float = number(2.0")
    assert not is_same(recorded, resolve(RUN))
    edit(package, "methods/svp.py", "scale: float = number(2.0", "scale: float = number(1.0")
    assert is_same(recorded, resolve(RUN))
    older = recorded | {"method_options": recorded["method_options"] | {"removed": 1}}
    assert not is_same(older, resolve(RUN))
    assert not is_same({}, resolve(RUN)) and not is_same({"seed": []}, resolve(RUN))
