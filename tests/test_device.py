"""Who shares a device is said where its numbers depend on it."""

import pytest
import torch

from svp_core.runtime import device, meters


@pytest.fixture
def shared(monkeypatch):
    """A process, one of three on its device, of a machine with a GPU."""
    monkeypatch.setattr(device, "sharing", 1)  # and is so again after the test
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA X")
    device.prepare(threads=1, processes=3)


def test_the_name_of_a_shared_gpu_says_so(shared):
    assert device.device_name(torch.device("cuda")) == "NVIDIA X, shared by 3 processes"
    device.prepare(threads=1)
    assert device.device_name(torch.device("cuda")) == "NVIDIA X"


def test_the_energy_of_a_shared_gpu_is_nobodys(shared):
    assert meters.energy_counter(torch.device("cuda")) is None
    assert meters.Meter(torch.device("cuda")).joules is None


def test_a_processor_is_called_as_ever(shared):
    name = device.device_name(torch.device("cpu"))
    assert name and "shared" not in name
