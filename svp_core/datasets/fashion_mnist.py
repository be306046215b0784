"""Fashion-MNIST: 70,000 articles of clothing, of 28x28 pixels."""

from pathlib import Path

from svp_core.data.torchvision_sets import download, idx_files, read_idx
from svp_core.datasets import Facts, Split

FACTS = Facts(
    classes=10,
    shape=(1, 28, 28),
    train_size=60000,
    test_size=10000,
    mean=(0.2860,),
    std=(0.3530,),
    licence="MIT",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    files=idx_files(
        "FashionMNIST",
        {
            "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
            "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
            "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
        },
    ),
)


def load(data_dir: Path) -> tuple[Split, Split]:
    """Return the published split."""
    return read_idx(data_dir / "FashionMNIST")


def fetch(data_dir: Path) -> None:
    """Download the published files."""
    download("FashionMNIST", FACTS, data_dir)
