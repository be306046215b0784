"""What training asks of a method, also of one in a new file."""

import json
from pathlib import Path

import jsonschema
import pytest
import torch
import yaml
from networks import (
    SHAPE,
    UNSURE,
    batch,
    build,
    build_method,
    losses_of_step,
    on_three_blocks,
    saved,
)
from new_files import write
from test_training import Killed

from svp_core.config import resolve
from svp_core.config.pairs import ConfigError
from svp_core.cost import cells
from svp_core.cost.flops import count_flops
from svp_core.cost.memory import measure_step
from svp_core.cost.simulate import simulate
from svp_core.seeds import derive
from svp_core.train import main
from svp_core.training.run import build_method as of_run

SCHEMA = Path(__file__).parents[1] / "svp_core/training/record.schema.yaml"
MLP = ["dataset=digits", "model=mlp", "seed=0", "model_options.width=16", "recipe.epochs=2"]


UNITS = {"bp": 1, "svp": 3, "sll": 3, "predsim": 3, "local_lda": 3}


@pytest.mark.parametrize(("method", "units"), UNITS.items())
def test_drain_returns_the_sums_since_the_last_time(method, units):
    options = {"method_options": UNSURE.get(method)}
    one, other = on_three_blocks(method, **options), on_three_blocks(method, **options)
    losses = [losses_of_step(other, *batch(SHAPE)) for _ in range(3)]
    assert all(one.step(*batch(SHAPE)) is None for _ in range(2))
    sums = one.drain()
    assert list(sums) == ["unit_loss"] and sums["unit_loss"].shape == (units,)
    assert torch.equal(sums["unit_loss"], losses[0] + losses[1])
    assert one.drain() == {}
    one.step(*batch(SHAPE))
    assert torch.equal(one.drain()["unit_loss"], losses[2])


@pytest.mark.parametrize("method", ["bp", "svp", "predsim", "local_lda"])
def test_a_state_carries_what_was_not_drained(method):
    options = {"method_options": UNSURE.get(method)}
    whole, continued = on_three_blocks(method, **options), on_three_blocks(method, **options)
    for _ in range(2):
        whole.step(*batch(SHAPE))
    continued.load_state(saved(whole))
    for one in (whole, continued):
        one.step(*batch(SHAPE))
    expected, found = whole.drain()["unit_loss"], continued.drain()["unit_loss"]
    assert torch.equal(found, expected)
    assert (found > losses_of_step(whole, *batch(SHAPE))).all()  # it is more than one step's


def test_an_epoch_left_between_two_steps_has_the_loss_of_a_whole_one(tmp_path, monkeypatch, capsys):
    settings = [*MLP, "method=svp", "--threads", "1", "--checkpoint-minutes", "0"]
    losses = {}
    for name, left_at in (("whole", None), ("left", 8)):
        files = ["--output", str(tmp_path / f"{name}.json")]
        files += ["--checkpoint", str(tmp_path / f"{name}.pt")]
        if left_at:
            with monkeypatch.context() as patch:
                patch.setattr("svp_core.training.run.interruption.check", stop_after(left_at))
                with pytest.raises(Killed):
                    main([*settings, *files])
        assert main([*settings, *files]) == 0
        record = json.loads((tmp_path / f"{name}.json").read_text())
        losses[name] = [entry["unit_loss"] for entry in record["curves"]]
    assert "continuing after epoch 0 and step 8 of the next" in capsys.readouterr().out
    assert losses["left"] == losses["whole"]


def stop_after(checks: int):
    calls = iter(range(checks))

    def check():
        if next(calls, None) is None:
            raise Killed

    return check


def test_another_draw_has_other_projections_and_the_same_weights():
    methods = [on_three_blocks(method_options={"draw": n, "readout": "private"}) for n in (0, 1, 2)]
    weights = [[p.detach() for p in method.parameters()] for method in methods]
    for other in weights[1:]:
        assert all(map(torch.equal, weights[0], other))
    for place in range(3):
        drawn = [method.units[place].projection for method in methods]
        assert not any(torch.equal(drawn[i], drawn[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
        generator = torch.Generator().manual_seed(derive(0, "projection", place))
        assert torch.equal(drawn[0], torch.randn(10, 16, generator=generator) / 16**0.5)


def test_a_shared_projection_has_draws_too():
    first, second = (on_three_blocks(method_options={"draw": n, "shared": True}) for n in (0, 1))
    drawn = [unit.projection for unit in second.units]
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], first.units[0].projection)


FORGETFUL = '''"""A method with a weight that it forgets to train."""

from torch import nn
from svp_core.config.run import MethodOptions
from svp_core.methods.bp import BP


class Options(MethodOptions):
    """None beside those of bp."""

    activation_checkpointing, activations = "none", "all"
    update = "after"


class Forgetful(BP):
    def __init__(self, *given):
        super().__init__(*given)
        self.extra = nn.Linear(2, 2, bias=False)


build = Forgetful
'''


def test_a_parameter_that_nobody_trains_is_refused(package, tmp_path, capsys):
    write(package, "methods/forgetful.py", FORGETFUL)
    message = "method forgetful: no optimiser holds the parameter extra.weight; it would never be"
    with pytest.raises(ConfigError, match=message):
        on_three_blocks("forgetful")
    output = tmp_path / "run.json"
    assert main([*MLP, "method=forgetful", "--output", str(output)]) == 1
    assert message in capsys.readouterr().err and not output.exists()


def test_a_parameter_that_is_frozen_is_not_missed(package):
    text = FORGETFUL + "\n\ndef build(*given):\n    method = Forgetful(*given)\n"
    text += "    method.extra.requires_grad_(False)\n    return method\n"
    write(package, "methods/forgetful.py", text)
    assert on_three_blocks("forgetful").extra.weight.grad is None


WHOLE = '''"""A method that predicts once, of one weight matrix; torch computes no gradient."""

import torch
from torch import nn
from svp_core.config.options import number
from svp_core.config.run import MethodOptions
from svp_core.methods import Method, Predictions


class Options(MethodOptions):
    rate: float = number(0.5, "of the delta rule", above=0)


class Delta(Method):
    def __init__(self, model, task, options, recipe, seed):
        super().__init__(recipe)
        self.rate, pixels = options.rate, torch.Size(task.image_shape).numel()
        self.weight = nn.Parameter(torch.zeros(task.classes, pixels))
        self.optimizers = [self.optimizer([self.weight])]

    def predict(self, images):
        posterior = (images.flatten(1) @ self.weight.T).log_softmax(dim=1)
        return Predictions([posterior], posterior)

    def features(self, images):
        return []

    @torch.no_grad()
    def step(self, images, labels):
        posterior = self.predict(images).network
        error = posterior.exp() - nn.functional.one_hot(labels, len(self.weight))
        self.weight.grad = self.rate * error.T @ images.flatten(1) / len(images)
        self.optimizers[0].step()
        self.weight.grad = None
        loss = nn.functional.nll_loss(posterior, labels)
        self.add("unit_loss", loss[None])
        self.add("error", error.abs().mean())


build = Delta
'''


def test_a_method_that_predicts_once_trains_and_is_measured(package, tmp_path):
    write(package, "methods/delta.py", WHOLE)
    spread = "def of_features(features, labels):\n    return features.var().item()\n"
    write(package, "metrics/spread.py", spread)
    output = tmp_path / "run.json"
    settings = [*MLP, "method=delta", "recipe.lr=0.01", "metrics=[nll, ece, spread]"]
    assert main([*settings, "--output", str(output), "--threads", "1"]) == 0
    record = json.loads(output.read_text())
    jsonschema.validate(record, yaml.safe_load(SCHEMA.read_text()))
    assert record["metrics"]["unit_accuracy"] == [record["test_accuracy"]]
    assert record["metrics"]["unit_nll"] == [record["metrics"]["nll"]]
    assert record["metrics"]["unit_spread"] == [] and record["test_accuracy"] > 80
    assert record["parameters"] == 640 and record["peak_memory_bytes"] > 3 * 4 * 640
    assert record["train_flops"] == 2 * (1257 // 64) * 64 * 2 * 2 * 640
    errors = [entry["metrics"]["train_error"] for entry in record["curves"]]
    assert errors[1] < errors[0]  # what a method sums up itself is in the curves


def test_its_memory_and_flops_are_measured_and_simulated_alike(package):
    write(package, "methods/delta.py", WHOLE)
    config = {"name": "mlp", "model": "mlp", "model_options": {"depth": 2, "width": 16}}
    config |= {"batch": 16, "image_size": 8, "channels": 1, "sweeps": [{}]}
    (cell,) = cells.resolved(cells.resolve(config | {"series": [{"method": "delta"}]}))
    rows = {row["quantity"]: row["value"] for row in simulate(cell)}
    run = {"dataset": "digits", "model": "mlp", "method": "delta", "seed": 0}
    method = of_run(resolve(run), torch.device("cpu"))
    real = measure_step(method, *batch(SHAPE, 16))
    assert {key: rows[key] for key in real} == real
    assert rows["gradients"] == 4 * 640 and rows["activations"] == 0
    assert rows["flops"] == count_flops(method, *batch(SHAPE, 16)) == 16 * 2 * 2 * 640


def test_a_unit_without_parameters_is_refused_by_name():
    model = build("mlp", SHAPE, depth=3, width=16)
    model.blocks[1] = torch.nn.Flatten()
    with pytest.raises(ConfigError, match="method_options.blocks: unit 2 has no parameters"):
        build_method(model, "svp")
