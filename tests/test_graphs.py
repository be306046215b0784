"""Recorded steps are the steps themselves, of all methods that do not say why they are not."""

import pytest
import torch
from networks import SHAPE, batch, build, build_method, saved
from steps import SIZES
from tape import recorder
from test_fast_step import SETTINGS

from svp_core import methods
from svp_core.config import options, resolve
from svp_core.config.pairs import ConfigError
from svp_core.cost.measure import settle
from svp_core.graphs import WARM_UP, Graphs, Record, stepper

STEPS = 12
MORE = {  # of svp, beside those of the fast step
    "stacked": {"inference": "stacked", "stack_interval": 3},
    "every few steps": {"readout": "lda", "d0": 12, "alignment": "none", "moments_interval": 2},
    "overlap": {"overlap": 1, "own_weight": 2.0},
    "straight-through": {"neurons": "bernoulli_st"},
    "reinforce": {"neurons": "bernoulli_reinforce"},
    "reconstruction": {"alignment": "reconstruction"},
    "qda": {"readout": "qda", "alignment": "none"},
    "cosine": {"readout": "cosine"},
    "after": {"update": "after"},
    # of one unit the alignment, which counts as well, is never called
    "one unit": {"blocks": 4, "readout": "lda", "d0": 12, "alignment": "reconstruction"},
}
RECIPES = {
    "sgd": {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
    "muon": {"optimizer": "muon", "weight_decay": 0.1},
    "two parts": {"micro_batches": 2},
    "own rates": {"lr_ratio": 4},
    "bfloat16": {"precision": "bfloat16"},
}


def made(name: str, model: str, chosen: dict, **recipe) -> methods.Method:
    sizes = SIZES[model]
    settings = {"image_shape": SHAPE, "optimizer": "adamw"} | recipe
    return build_method(build(model, SHAPE, **sizes), name, method_options=chosen, **settings)


def on_the_cpu(method: methods.Method) -> tuple[methods.Method, Record]:
    """Return the method where it is, and what records its steps there."""
    return method, recorder(method)


def trained(method: methods.Method, take) -> dict:
    """Return the state after some steps at changing rates on changing batches."""
    device = next(method.parameters()).device
    images, labels = (one.to(device) for one in batch(SHAPE))
    torch.manual_seed(0)
    for step in range(STEPS):
        method.set_learning_rate(2.0 ** -(6 + step % 3))  # whole in float32, as graphs have it
        if step == WARM_UP:
            method.go_to(0)  # past the first steps, in which parts do all
        take(images.roll(step, dims=0), labels.roll(2 * step))
    return method.state()


def recorded_steps(name: str, model: str, chosen: dict, place=on_the_cpu, **recipe) -> None:
    """Compare steps of their own with recorded ones, to the last bit."""
    (plain, _), (own, record) = (place(made(name, model, chosen, **recipe)) for _ in range(2))
    graphs = Graphs(own, record)
    expected, found = trained(plain, plain.step), trained(own, graphs)
    assert graphs.graphs and len(graphs.graphs) == graphs.cycle
    exact = {"rtol": 0, "atol": 0} if "lr_ratio" not in recipe else {"rtol": 1e-3, "atol": 1e-4}
    torch.testing.assert_close(found.pop("sums"), expected.pop("sums"))  # in another order
    torch.testing.assert_close(found, expected, **exact)


def cells() -> list[tuple[str, str]]:
    """Every method on every kind of model that it is for."""
    found = []
    for name in options.names("methods"):
        declared = options.declared("methods", name)
        if not declared().not_recorded:
            found += [(name, model) for model in SIZES if model in (declared.models or SIZES)]
    return found


# resnet has the layers of cnn; a GPU takes all (tests/gpu)
@pytest.mark.parametrize(("name", "model"), [one for one in cells() if one[1] != "resnet"])
def test_recorded_steps_have_the_numbers_of_their_own(name, model):
    recorded_steps(name, model, {})


@pytest.mark.parametrize("chosen", [*SETTINGS, *MORE])
def test_with_every_part_of_svp(chosen):
    recorded_steps("svp", "mlp", (SETTINGS | MORE)[chosen])


def test_with_updates_fused_into_the_backward_pass_of_bp():
    recorded_steps("bp", "mlp", {"update": "fused"})


@pytest.mark.parametrize("left_after", [6, 7])
def test_a_run_that_is_evaluated_and_goes_on_elsewhere_has_the_same_bits(left_after):
    """In mid-cycle; where it goes on, steps are single calls at first, and rates no whole ones."""
    images, labels = batch(SHAPE)
    whole, left, resumed = (made("local_lda", "mlp", {"inference": "stacked"}) for _ in range(3))
    one, other = (Graphs(method, recorder(method)) for method in (whole, left))

    def go(method, take, steps: range) -> None:
        for step in steps:
            method.set_learning_rate(0.01 / (step + 3))
            take(images, labels.roll(step))
            method.eval()
            method.predict(images)
            method.train()

    for method, take in ((whole, one), (left, other)):
        take(images, labels)
        method.go_to(0)
        go(method, take, range(WARM_UP + 4 + left_after))
    assert one.graphs and (left_after + WARM_UP + 4) % 4
    resumed.load_state(saved(left))
    last = range(WARM_UP + 4 + left_after, WARM_UP + 14 + left_after)
    again = Graphs(resumed, recorder(resumed))
    go(whole, one, last)
    go(resumed, again, last)
    assert again.graphs
    torch.testing.assert_close(resumed.state(), whole.state(), rtol=0, atol=0)


def test_a_step_that_cannot_be_recorded_leaves_the_method_as_it_was():
    method = made("local_lda", "mlp", {})

    def fail(work):
        work()
        raise ConfigError("no")

    graphs = Graphs(method, fail)
    images, labels = batch(SHAPE)
    for _ in range(WARM_UP):
        graphs(images, labels)
    method.go_to(0)
    seen, sums = [one.seen for one in graphs.counters], method.sums
    with pytest.raises(ConfigError):
        graphs(images, labels)
    assert [one.seen for one in graphs.counters] == seen and method.sums is sums
    rates = [group["lr"] for one in method.optimizers for group in one.param_groups]
    assert all(type(rate) is float for rate in rates)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ["bp", "local_lda", "predsim"])
def test_with_every_recipe(name, recipe):
    if name == "bp" and "lr_ratio" in RECIPES[recipe]:
        pytest.skip("no units")
    recorded_steps(name, "cnn", {}, **RECIPES[recipe])


REFUSED = {
    "vi": {},
    "ssvi": {},
    "bayes_svp": {"means": "model"},
    "bp": {"activation_checkpointing": "blocks"},
}


@pytest.mark.parametrize(("name", "chosen"), REFUSED.items())
def test_what_changes_from_step_to_step_is_refused_by_name(name, chosen):
    given = {"dataset": "digits", "model": "mlp", "method": name, "seed": 0}
    given |= {"method_options": chosen, "recipe": {"cuda_graphs": True}}
    with pytest.raises(ConfigError, match=f"recipe.cuda_graphs: a step of {name} cannot be"):
        resolve(given)


def test_a_cycle_of_too_many_graphs_is_refused():
    method = made("local_lda", "mlp", {"interval": 9, "moments_interval": 8})
    with pytest.raises(ConfigError, match="cuda_graphs: the intervals .* repeat every 72 steps"):
        Graphs(method, recorder(method))


def test_work_that_waits_for_the_device_is_not_recorded():
    method = made("bp", "mlp", {})
    step = method.step
    method.step = lambda images, labels: float(images.sum()) and step(images, labels)
    with pytest.raises(AssertionError, match="waits for the device"):
        trained(method, Graphs(method, recorder(method)))


def test_on_a_cpu_a_method_takes_its_own_steps():
    method = made("bp", "mlp", {}, cuda_graphs=True)
    assert stepper(method) == method.step


def test_timing_begins_when_all_is_recorded():
    method = made("local_lda", "mlp", {})
    graphs = Graphs(method, recorder(method))
    images, labels = batch(SHAPE)
    graphs(images, labels)
    settle(method, graphs, images, [labels.roll(place) for place in range(4)])
    assert len(graphs.graphs) == 4 and graphs.place() == 0
    assert method.drain()["unit_loss"].isfinite().all()
