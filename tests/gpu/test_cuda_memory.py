"""Peak memory of a step: what CUDA's allocator hands out beside what the tensors take."""

from functools import partial

import pytest

from svp_core.cost import cells
from svp_core.cost.build import build, random_batch
from svp_core.cost.memory import peak_memory

pytestmark = pytest.mark.gpu
MIB = 2**20
MODELS = {
    "mlp": {"depth": 6, "width": 2000},
    "cnn": {"depth": 8, "width": 64, "stages": 2},
}


def peaks(device, model: str, method: str, **recipe) -> tuple[int, int]:
    """Return bytes of a step at its peak: what was handed out, and what tensors take."""
    config = {"name": model, "model": model, "model_options": MODELS[model], "batch": 128}
    config |= {"channels": 3, "image_size": 32, "classes": 10, "sweeps": [{}]}
    config |= {"series": [{"method": method, "recipe": recipe}]}
    (cell,) = cells.resolved(cells.resolve(config))
    batch = [one.to(device) for one in random_batch(cell)]
    found = peak_memory(partial(build, cell), lambda one: one.place(device), *batch)
    source = "allocator" if device.type == "cuda" else "tensors"
    assert found["peak_memory_source"] == source
    return found["peak_memory_bytes"], found["tensor_bytes"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", ["bp", "svp"])
def test_the_allocator_hands_out_at_least_what_tensors_take(device, method, model):
    """More where kernels want a workspace, as convolutions in float32 do, hundreds of MiB."""
    allocated, tensors = peaks(device, model, method)
    assert tensors > 100 * MIB
    assert allocated >= 0.99 * tensors


SERIES = {
    "mlp": ("mlp", {}),
    "mlp, bfloat16": ("mlp", {"precision": "bfloat16"}),
    "cnn, bfloat16": ("cnn", {"precision": "bfloat16"}),
}


@pytest.mark.parametrize("series", SERIES)
def test_where_kernels_want_none_it_is_hardly_more_and_svp_takes_less(device, series):
    """A piece that is cut off a block has to be of 1 MiB, and a block begins at 512 bytes.

    So there is up to 1 MiB a large tensor, and a workspace of up to 32 MiB for products.
    """
    model, recipe = SERIES[series]
    bp, svp = (peaks(device, model, method, **recipe) for method in ("bp", "svp"))
    for allocated, tensors in (bp, svp):
        assert 0.99 * tensors <= allocated <= 1.05 * tensors + 32 * MIB
    assert svp[0] < bp[0]
