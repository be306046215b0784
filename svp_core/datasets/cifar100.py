"""CIFAR-100: 60,000 photographs of 32x32 pixels, a hundred fine classes."""

from pathlib import Path

from svp_core.data.torchvision_sets import download, read_cifar
from svp_core.datasets import Facts, File, Split

FACTS = Facts(
    classes=100,
    shape=(3, 32, 32),
    train_size=50000,
    test_size=10000,
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
    licence="none stated; research use with citation",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    files=(
        File("cifar-100-python/train", "16019d7e3df5f24257cddd939b257f8d", 155249918),
        File("cifar-100-python/test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),
        File("cifar-100-python/meta", "7973b15100ade9c7d40fb424638fde48"),
    ),
)


def load(data_dir: Path) -> tuple[Split, Split]:
    """Return the published split, with fine labels."""
    return read_cifar(FACTS, data_dir, "fine_labels")


def fetch(data_dir: Path) -> None:
    """Download the published files."""
    download("CIFAR100", FACTS, data_dir)
