"""Settings that every test shares."""

import os

import pytest
import torch

os.environ.setdefault("MPLBACKEND", "agg")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tests run beside each other's subprocesses: one thread each is fastest and deterministic."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
