"""Generated damage to a checkpoint: one line that names it, and it is kept."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from doors import contents, refused, require_line
from hypothesis import assume, given
from hypothesis import strategies as st
from networks import batch
from test_interruption import NOISY, STEPS, interrupt

from svp_core import train
from svp_core.config import options, resolve
from svp_core.config.pairs import parse_pairs
from svp_core.training import checkpoint, run, state


@pytest.fixture(scope="module")
def left(tmp_path_factory) -> Path:
    """A training that was left in its second epoch."""
    folder = tmp_path_factory.mktemp("left")
    interrupt(folder, NOISY, 15)
    return folder


def places(value, path=()) -> list[tuple]:
    """The paths of all parts of a state that are not plain numbers or texts."""
    found = [path] if isinstance(value, dict | list | torch.Tensor) else []
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        found += [place for key, item in items for place in places(item, (*path, key))]
    return found


def damaged(state: dict, path: tuple, other):
    """The state with one part replaced, or left out if that is what is asked for."""
    if not path:
        return other
    state = copy.deepcopy(state)
    node = state
    for key in path[:-1]:
        node = node[key]
    if isinstance(other, str) and other == "drop":
        del node[path[-1]]
    else:
        node[path[-1]] = other
    return state


def is_equal(one, other) -> bool:
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        return False
    return type(one) is type(other) and one == other


OTHERS = [None, {}, [], "x", 5, "drop", torch.zeros(0), torch.zeros(3, 1), {"x": 1}, float("nan")]


def load(left: Path, file: Path) -> dict:
    """The state that a training goes on from."""
    config = resolve(parse_pairs(NOISY))
    known = {key: torch.load(left / "run.pt")[key] for key in checkpoint.IDENTITY}
    stepped = run.build_method(config, torch.device("cpu"))
    stepped.step(*batch((1, 8, 8), 100))
    saved = checkpoint.load(file, {"config": config} | known)
    recipe = options.fill("", "recipe", config["recipe"])
    if fault := state.fault(saved, state.outline(stepped.state()), recipe, STEPS):
        raise checkpoint.damaged(file, fault)
    return saved


@given(st.data())
def test_a_checkpoint_with_a_wrong_part_is_named(left, data):
    whole = torch.load(left / "run.pt")
    path = data.draw(st.sampled_from(places(whole)).filter(lambda one: one[-1:] != ("metrics",)))
    other, part = data.draw(st.sampled_from(OTHERS)), whole
    for key in path:
        part = part[key]
    assume(not is_equal(part, other) and (path or not is_equal(other, "drop")))
    file = left.parent / "wrong.pt"
    torch.save(damaged(whole, path, other), file)
    with pytest.raises(checkpoint.CheckpointError) as caught:
        load(left, file)
    require_line(str(caught.value), str(file))


@given(st.data())
def test_a_checkpoint_that_is_cut_off_or_none_is_named(left, data):
    whole = (left / "run.pt").read_bytes()
    size = data.draw(st.integers(0, len(whole) - 1))
    content = data.draw(st.sampled_from([whole[:size], whole[size:]]) | st.binary(max_size=100))
    assume(content != whole)
    file = left.parent / "wrong.pt"
    file.write_bytes(content)
    with pytest.raises(checkpoint.CheckpointError) as caught:
        load(left, file)
    require_line(str(caught.value), str(file))


@pytest.mark.parametrize(
    ("path", "other"),
    [
        (("method",), {}),
        (("method", "optimizers", 0, "state"), {}),
        (("method", "sums"), {}),
        (("environments",), []),
        (("curves",), []),
        (("position", "step"), 0),
    ],
)
def test_no_training_goes_on_from_it_and_it_is_kept(left, tmp_path, path, other):
    file = tmp_path / "run.pt"
    torch.save(damaged(torch.load(left / "run.pt"), path, other), file)
    (tmp_path / "run.lock").touch()
    before = contents(tmp_path)
    files = ["--output", str(tmp_path / "run.json"), "--checkpoint", str(file)]
    message = refused(train.main, [*NOISY, *files, "--threads", "1"])
    require_line(message, "run.pt is damaged")
    assert "delete it" in message and contents(tmp_path) == before
    assert load(left, left / "run.pt")  # the whole one


def test_saves_after_epochs_take_a_small_part_of_the_time(tmp_path, monkeypatch):
    """The first epoch is saved, another when fifty times as long as a save took has gone by."""
    now = [100.0]
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(checkpoint, "write_atomically", lambda *_: now.__setitem__(0, now[0] + 0.1))
    saving = checkpoint.Saving(tmp_path / "run.pt", 600)
    assert saving.pays()
    saving.save({})
    now[0] += 4.9
    assert not saving.pays()
    now[0] += 0.2
    assert saving.pays()
