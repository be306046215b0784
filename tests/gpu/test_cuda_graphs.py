"""Steps recorded as CUDA graphs have the numbers of single calls, to the last bit."""

import pytest
from test_fast_step import SETTINGS
from test_graphs import MORE, RECIPES, cells, on_the_cpu, recorded_steps

from svp_core.graphs import on_cuda

pytestmark = pytest.mark.gpu


@pytest.fixture
def place(device):
    """What moves a method to the device and finds what records its steps there."""
    if device.type == "cpu":
        return on_the_cpu
    return lambda method: (method.place(device), on_cuda(device))


@pytest.mark.parametrize(("name", "model"), cells())
def test_recorded_steps_have_the_numbers_of_their_own(place, name, model):
    recorded_steps(name, model, {}, place)


@pytest.mark.parametrize("chosen", ["dropout", "posterior", *MORE])
def test_with_parts_of_svp(place, chosen):
    recorded_steps("svp", "mlp", (SETTINGS | MORE)[chosen], place)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ["svp", "local_lda"])
def test_with_every_recipe(place, name, recipe):
    recorded_steps(name, "cnn", {}, place, **RECIPES[recipe])
