"""Generated bad input at every door of a run: one line that names it, and nothing changes."""

import copy
import json
import os
from pathlib import Path

import pytest
import yaml
from doors import TEXTS, contents, refused, require_line, wrong
from hypothesis import given
from hypothesis import strategies as st
from snakemake.cli import parse_config
from suite_copy import change, default_config

from svp_core import train
from svp_core.config import SCHEMA, options, resolve, texts
from svp_core.config.pairs import ConfigError
from svp_core.training import jobs
from workflow import checking, costs, planning

RUN = {"dataset": "digits", "model": "cnn", "method": "svp", "seed": 0}
PLACES = {"recipe": ("", "recipe"), "model_options": ("models", "cnn")}
PLACES |= {"method_options": ("methods", "svp")}


def keys() -> dict[tuple[str, ...], dict]:
    """The schema of every setting of a run, by its path."""
    found = {(name,): rules for name, rules in SCHEMA["properties"].items()}
    for group, place in PLACES.items():
        schema = options.schema(options.of(*place, {}))["properties"]
        found |= {(group, name): rules for name, rules in schema.items()}
    return found


@st.composite
def bad_settings(draw) -> tuple[tuple[str, ...], object]:
    """The path of a setting, or of one that does not exist, and a value that it cannot have."""
    known = keys()
    path = draw(st.sampled_from(sorted(known)))
    if draw(st.integers(0, 9)) == 0:
        return (*path[:-1], draw(TEXTS.filter(lambda name: (*path[:-1], name) not in known))), 1
    return path, draw(wrong(known[path]))


def with_setting(run: dict, path: tuple[str, ...], value) -> dict:
    run = copy.deepcopy(run)
    node = run
    for key in path[:-1]:
        node = node.setdefault(key, {})
    node[path[-1]] = value
    return run


@given(bad_settings())
def test_a_bad_setting_is_refused_by_its_key(one):
    path, value = one
    with pytest.raises(ConfigError) as caught:
        resolve(with_setting(RUN, path, value))
    require_line(str(caught.value), ".".join(path), repr(path[-1]))


NUMBERS = {
    "grid.seed": [[0, 1.0], [2**32], [True], [-1], ["0"], [], [0, 0], 5],
    "assumed_tflops": [0, "10", True],
    "target_accuracy.digits": [[101], [0], ["90"], 90],
    "ablations.seed": [[1.0], [2**32], [], None],
    "cost.quick.steps": [2.0, 1, "20", True],
    "cost.full.budgets.mlp": [[0], [True], 8],
    "cost.models.mlp.image_size": [28.0, 0, "28", 2**63],
    "cost.quick.simulate.mlp": [[{"depth": [2.0]}], [{"d0": [10.0]}], [{"width": ["w"]}], [5]],
    "tasks.digits/mlp.recipe.lr": ["1e-3", None, [0.1]],
    "tasks.digits/mlp.svp": [{"scale": "1"}, {"d0": 10.0}, 5, [1]],
    "tasks.digits/mlp.own": [{"svp": 5}, {"svp": {"recipe": 5}}, {"svp": {"recipe": {"lr": "x"}}}],
    "variants": [[{"name": "a" * 300, "method": "svp"}], [{"name": "..", "method": "svp"}], {}],
    "data_dir": ["", 5, None],
    "metrics": ["nll", [1], ["nll", "nll"]],
    "metrics_every_epoch": [1, "no"],
}
LISTS = {"grid.seed", "ablations.seed", "target_accuracy.digits", "cost.full.budgets.mlp"}


@st.composite
def bad_configs(draw) -> tuple[str, dict]:
    key = draw(st.sampled_from(sorted(NUMBERS)))
    odd = st.sampled_from([float("inf"), float("nan"), float("-inf"), 1e400])
    value = draw(st.one_of(st.sampled_from(NUMBERS[key]), odd))
    if key in LISTS and isinstance(value, float):
        value = [value]
    return key, change_kept(default_config(), key, value)


def change_kept(config: dict, key: str, value) -> dict:
    """`change` goes through JSON, which has no infinity."""
    config = change(config, key, 0)
    *parents, leaf = key.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    node[leaf] = value
    return config


@given(bad_configs())
def test_a_bad_config_of_the_workflow_is_refused_by_its_key(one):
    """As it comes from a file: written as YAML and read again."""
    key, config = one
    config = yaml.safe_load(yaml.safe_dump(config))
    with pytest.raises(ConfigError) as caught:
        checking.check(config)
        planning.Plan(config)
        costs.Costs(config).check()
    require_line(str(caught.value), *key.split(".")[-1:], *key.split(".")[-2:-1])


@given(st.one_of(TEXTS, st.binary(max_size=30), st.text("[]{}:,-&*!|>'\"\n a1.e", max_size=30)))
def test_a_file_of_anything_is_read_or_named(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "anything.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        checking.check(texts.read_file(file))
    except ConfigError as error:
        require_line(str(error))


@given(st.sampled_from(sorted(keys())), st.data())
def test_a_repeated_key_is_refused(path, data):
    quote = data.draw(st.sampled_from(["{}", "'{}'", '"{}"']))
    text = f"a: 1\nb: {{{path[-1]}: 1, {quote.format(path[-1])}: 1}}\n"
    for load in (texts.from_yaml, texts.from_json):
        with pytest.raises(ConfigError) as caught:
            load(text if load is texts.from_yaml else f'{{"{path[-1]}": 1, "{path[-1]}": 2}}')
        require_line(str(caught.value), path[-1])


FLAGS = {
    "--threads": ["0", "-1", "1.0", "nan", "many", "", str(2**40)],
    "--checkpoint-minutes": ["nan", "inf", "-1", "ten", ""],
    "--device": ["foo", "cuda:99", "meta", "", "cpu:x", "cuda:-1", "cuda:"],
    "--output": [
        "",
        ".",
        "..",
        "/",
        "here",
        "here/is",
        "file/is",
        "n" * 300,
        "run.pt",
        "/dev/null",
    ],
    "--checkpoint": ["", ".", "here", "file/is", "n" * 300, "new.json", "./new.json", "link"],
    "recipe.lr": ["[", "{", "nan", ".inf", "'1", "!!x 1", "1e400", "2001-99-99", "&a *b", "0"],
    "seed": ["1.0", "-1", str(2**32), "1e3", "yes", "1, 2", "[1]"],
    "recipe": ["1", "[]", "x", "{lr: 1, lr: 2}", "{lr: }"],
    "seed.x": ["1"],
    "": ["", "1"],
}


@st.composite
def bad_commands(draw) -> tuple[str, str, list[str]]:
    """What is wrong, its value, and a command that has it; flags stand among the settings."""
    key = draw(st.sampled_from(sorted(FLAGS)))
    value = draw(st.sampled_from(FLAGS[key]))
    given_ = {"--output": "new.json", "--checkpoint": "run.pt", "--threads": "1"}
    pairs = {"dataset": "digits", "model": "mlp", "method": "bp", "seed": "0"}
    (given_ if key.startswith("-") else pairs)[key] = value
    words = [f"{name}={text}" for name, text in pairs.items()]
    place = draw(st.integers(0, len(words)))
    flags = [f"{name}={text}" for name, text in given_.items()]
    return key, value, [*words[:place], *flags, *words[place:]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working directory with a folder, a file and links in it."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "here/is").mkdir(parents=True)
    (folder / "file").write_text("kept")
    (folder / "link").symlink_to("new.json")
    return folder


@given(bad_commands())
def test_a_bad_command_line_is_refused_in_one_line(folder, one):
    key, value, arguments = one
    before, here = contents(folder), Path.cwd()
    os.chdir(folder)
    try:
        message = refused(train.main, arguments)
    finally:
        os.chdir(here)
    require_line(message, key, value or repr(value))
    assert message.startswith("error: ") and contents(folder) == before


LINE = {"run": RUN, "output": "a.json", "checkpoint": "a.pt"}


@st.composite
def bad_lines(draw) -> str:
    """A line of a list of runs that cannot be trained."""
    text = json.dumps(LINE)
    if draw(st.booleans()):
        path, value = draw(bad_settings())
        return json.dumps(LINE | {"run": with_setting(RUN, path, value)})
    files = ["", "/", "..", 5, None, "a\0b", "\ud800", "a.log", "a.lock", "a.record.json", "runs"]
    wrong_file = {draw(st.sampled_from(["output", "log"])): draw(st.sampled_from(files))}
    return draw(
        st.sampled_from([text[: draw(st.integers(1, len(text) - 1))], "[]", "5", "NaN", text * 2])
        | st.just(json.dumps(LINE | wrong_file | ({"log": "a.pt"} if "log" in wrong_file else {})))
    )


@given(bad_lines())
def test_a_bad_list_of_runs_is_refused_by_its_line(tmp_path_factory, line):
    folder = tmp_path_factory.mktemp("list")
    path = folder / "runs"
    path.write_text(f"\n{line}\n")
    with pytest.raises((ConfigError, OSError)) as caught:
        jobs.read_jobs(path, folder)
    require_line(str(caught.value), "line 2", str(folder))
    assert list(folder.iterdir()) == [path]


def test_true_on_a_command_line_is_no_word():
    given = parse_config(["partial=true", "keep_stale=false", "baseline=bp"])
    checking.read_words(given)
    assert given == {"partial": True, "keep_stale": False, "baseline": "bp"}
