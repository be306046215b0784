"""The device of these tests: a GPU, or with SVP_TEST_DEVICE=cpu a CPU, for errors of the tests."""

import os

import pytest
import torch

from svp_core.runtime.device import prepare


@pytest.fixture(scope="session", autouse=True)
def device(one_thread) -> torch.device:
    """The device, prepared as for a training."""
    name = os.environ.get("SVP_TEST_DEVICE", "cuda")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    prepare(threads=1)
    return torch.device(name)
