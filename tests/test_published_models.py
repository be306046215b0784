"""Parameters and outputs of published architectures, against torchvision's own."""

from functools import partial

import pytest
import torch
import torchvision
from networks import batch, build, build_method, count
from torch import nn

from svp_core.models import resnet

DENSE = [4096, 4096]
PUBLISHED = {
    "vgg11": ("vgg", {"layout": "vgg11", "norm": False, "classifier": DENSE}),
    "vgg11_bn": ("vgg", {"layout": "vgg11", "norm": True, "classifier": DENSE}),
    **{
        f"resnet{layers}": ("resnet", {"layout": layers, "stem": "imagenet", "grid": 1})
        for layers in resnet.LAYOUTS
    },
    "vit_b_16": (
        "vit",
        {"depth": 12, "width": 768, "heads": 12, "patch": 16, "class_token": True, "pool": "cls"},
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_many_as_torchvisions(name):
    model, sizes = PUBLISHED[name]
    with torch.device("meta"):
        ours = build_method(build(model, (3, 224, 224), **sizes), classes=1000)
        theirs = getattr(torchvision.models, name)()
    assert count(ours) == count(theirs)


@pytest.mark.parametrize(("pixels", "channels", "millions"), [(32, 3, 8.9), (28, 1, 7.3)])
def test_vgg8b_has_the_published_number_of_parameters(pixels, channels, millions):
    with torch.device("meta"):
        trained = build_method(build("vgg", (channels, pixels, pixels)))
    assert round(count(trained) / 1e6, 1) == millions


@torch.no_grad()
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vgg11", "vgg11_bn"])
def test_logits_equal_torchvisions(name):
    model, sizes = PUBLISHED[name]
    # vgg11 has the adaptive pooling of torchvision only where that is none, at 224 pixels
    shape = (3, 224, 224) if model == "vgg" else (3, 64, 64)
    ours = scrambled(build_method(build(model, shape, **sizes)))
    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)(num_classes=10)
    assert_equal_logits(ours, theirs, list(ours.state_dict().values()), shape)


@torch.no_grad()
def test_logits_of_a_transformer_equal_torchvisions():
    _, sizes = PUBLISHED["vit_b_16"]
    ours = scrambled(build_method(build("vit", **sizes | {"depth": 2, "width": 48})))
    with torch.device("meta"):
        theirs = torchvision.models.VisionTransformer(
            32, 16, 2, 12, 48, 192, num_classes=10, norm_layer=partial(nn.LayerNorm, eps=1e-5)
        )
    position, token, weight, bias, *others = ours.state_dict().values()
    assert_equal_logits(ours, theirs, [token, weight, bias, position, *others], (3, 32, 32))


def scrambled(module: nn.Module) -> nn.Module:
    """No zero, no one is left to hide an exchange of two weights."""
    for tensor in module.state_dict().values():
        if tensor.dim() == 1 and tensor.is_floating_point():
            tensor += 0.5 * torch.rand_like(tensor)
    return module.eval()


def assert_equal_logits(ours, theirs, weights, image_shape):
    theirs.load_state_dict(dict(zip(theirs.state_dict(), weights, strict=True)), assign=True)
    images, _ = batch(image_shape, 2)
    logits = ours.logits(images)
    assert logits.std() > 0.01
    torch.testing.assert_close(logits, theirs.eval()(images), rtol=1e-4, atol=1e-4)
