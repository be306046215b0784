"""The models: any image that fits, every method and precision, sizes, seeds and memory."""

import pytest
import torch
from networks import UNSURE, batch, build, build_method, losses_of_step
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from svp_core import models
from svp_core.config import options, resolve
from svp_core.config.pairs import ConfigError, format_pairs, parse_pairs
from svp_core.cost import memory
from svp_core.models import resnet, vgg

SMALL = {
    "mlp": {"width": 32},
    "cnn": {"width": 8},
    "vgg": {"width": 1 / 16, "classifier": [32]},
    "resnet": {"width": 8},
    "vit": {"width": 32, "patch": 4},
}
VIT_S = {"depth": 12, "width": 384, "heads": 6, "patch": 16}


@pytest.mark.parametrize("method", ["bp", "svp", "predsim", "local_lda"])
@pytest.mark.parametrize("image_shape", [(1, 28, 28), (2, 16, 20), (3, 32, 32)])
@pytest.mark.parametrize("model", SMALL)
def test_every_model_learns_images_of_any_size(model, image_shape, method):
    network = build(model, image_shape, **SMALL[model])
    settings = {"method_options": UNSURE.get(method), "optimizer": "adamw"}
    trained = build_method(network, method, image_shape=image_shape, **settings)
    images, labels = batch(image_shape, 16)
    losses = torch.stack([losses_of_step(trained, images, labels) for _ in range(6)])
    assert losses.isfinite().all()
    assert losses[-1].mean() < losses[0].mean()


@pytest.mark.parametrize("method", ["bp", "svp", "predsim", "local_lda"])
@pytest.mark.parametrize("model", SMALL)
def test_every_model_runs_in_bfloat16_and_channels_last(model, method):
    trained = build_method(build(model, **SMALL[model]), method, precision="bfloat16")
    trained = trained.to(memory_format=torch.channels_last)
    images, labels = batch((3, 32, 32))
    images = images.to(memory_format=torch.channels_last)
    assert losses_of_step(trained, images, labels).isfinite().all()
    units, network, rules = trained.eval().predict(images)
    assert all(one.isfinite().all() for one in (*units, network, *rules.values()))


def every_layout() -> list[tuple[str, dict]]:
    vggs = [("vgg", {"layout": name, "classifier": [8] * n}) for n, name in enumerate(vgg.LAYOUTS)]
    resnets = [("resnet", {"layout": layers}) for layers in resnet.LAYOUTS]
    return [*vggs, *resnets, *((name, {"depth": 6}) for name in ("mlp", "cnn", "vit"))]


@pytest.mark.parametrize(("model", "given"), every_layout())
def test_blocks_are_counted_and_some_measured_without_building_them(model, given):
    sizes = options.fill("models", model, given)
    with torch.device("meta"):
        built = models.build(model, (3, 32, 32), sizes, seed=0)
    assert sizes.block_count == len(built.blocks)
    assert sizes.block_widths in (None, built.widths)
    assert sizes.block_widths or model not in ("mlp", "vit")


def test_every_layout_is_an_option():
    for name, layouts in (("vgg", vgg.LAYOUTS), ("resnet", resnet.LAYOUTS)):
        known = options.schema(options.declared("models", name))["properties"]
        assert known["layout"]["enum"] == list(layouts)


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (
            "vgg",
            {},
            "layout: vgg8b halves 4 times, which needs images of at least 16 pixels, these",
        ),
        (
            "vgg",
            {"layout": "vgg11"},
            "layout: vgg11 halves 5 times, which needs images of at least",
        ),
        ("vgg", {"width": 0}, "width: 0 is less than or equal to the minimum of 0"),
        ("vgg", {"classifier": [0]}, "classifier.0: 0 is less than the minimum of 1"),
        ("resnet", {"layout": 20}, "layout: 20 is not one of [18, 34, 50, 101, 152]"),
        ("resnet", {"pool": "mean"}, "pool: 'mean' is not one of ['avg', 'avg_std', 'flatten']"),
        ("cnn", {"grid": 0}, "grid: 0 is less than the minimum of 1"),
        ("vit", {"pool": "cls"}, "pool: cls reads a class token; set class_token"),
    ],
)
def test_an_impossible_size_is_named(model, given, message):
    with pytest.raises(ConfigError) as caught:
        resolve(run(model, model_options=given))
    assert f"model_options.{message}" in str(caught.value)


def run(model: str, **changes) -> dict:
    return {"dataset": "digits", "model": model, "method": "svp", "seed": 0} | changes


def test_a_unit_has_no_more_blocks_than_the_model():
    resolve(run("resnet", method_options={"blocks": 8}))
    with pytest.raises(ConfigError, match="method_options.blocks: 9 exceeds depth 8"):
        resolve(run("resnet", method_options={"blocks": 9}))


def test_a_list_of_widths_survives_a_command_line():
    sizes = {"model_options": {"classifier": [64, 32]}}
    assert parse_pairs(format_pairs(sizes)) == sizes


@pytest.mark.parametrize("model", SMALL)
def test_a_seed_decides_the_weights(model):
    one, same, other = (build(model, seed=seed, **SMALL[model]).blocks for seed in (3, 3, 4))
    assert all(map(torch.equal, one.parameters(), same.parameters()))
    assert not any(map(torch.equal, weights_of(one), weights_of(other)))


def weights_of(blocks: nn.ModuleList) -> list[torch.Tensor]:
    return [parameter for parameter in blocks.parameters() if parameter.dim() > 1]


@pytest.mark.parametrize("method", ["bp", "svp", "predsim", "local_lda"])
@pytest.mark.parametrize("model", SMALL)
def test_memory_is_simulated_exactly(model, method):
    real = step_memory(model, method, (3, 32, 32), **SMALL[model])
    with FakeTensorMode():
        assert step_memory(model, method, (3, 32, 32), **SMALL[model]) == real


def test_memory_of_a_large_transformer_is_simulated():
    with FakeTensorMode():
        saved = {
            method: step_memory("vit", method, (3, 224, 224), **VIT_S)["activations"]
            for method in ("bp", "svp")
        }
    assert saved["bp"] > 10 * saved["svp"]


def step_memory(model: str, method: str, image_shape: tuple[int, ...], **sizes) -> dict[str, int]:
    network = build(model, image_shape, **sizes)
    trained = build_method(network, method, image_shape=image_shape, optimizer="adamw")
    labels = torch.zeros(8, dtype=torch.long)
    return memory.measure_step(trained, torch.zeros(8, *image_shape), labels)
