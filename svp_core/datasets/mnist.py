"""MNIST: 70,000 handwritten digits of 28x28 pixels."""

from pathlib import Path

from svp_core.data.torchvision_sets import download, idx_files, read_idx
from svp_core.datasets import Facts, Split

FACTS = Facts(
    classes=10,
    shape=(1, 28, 28),
    train_size=60000,
    test_size=10000,
    mean=(0.1307,),
    std=(0.3081,),
    licence="CC BY-SA 3.0",
    homepage="https://ossci-datasets.s3.amazonaws.com/mnist/",
    files=idx_files(
        "MNIST",
        {
            "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
            "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
            "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
            "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
        },
    ),
)


def load(data_dir: Path) -> tuple[Split, Split]:
    """Return the published split."""
    return read_idx(data_dir / "MNIST")


def fetch(data_dir: Path) -> None:
    """Download the published files."""
    download("MNIST", FACTS, data_dir)
