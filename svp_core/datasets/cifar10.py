"""CIFAR-10: 60,000 photographs of 32x32 pixels, ten animals and vehicles."""

from pathlib import Path

from svp_core.data.torchvision_sets import download, read_cifar
from svp_core.datasets import Facts, File, Split

FACTS = Facts(
    classes=10,
    shape=(3, 32, 32),
    train_size=50000,
    test_size=10000,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    licence="none stated; research use with citation",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    files=(
        File("cifar-10-batches-py/data_batch_1", "c99cafc152244af753f735de768cd75f", 31035704),
        File("cifar-10-batches-py/data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec", 31035320),
        File("cifar-10-batches-py/data_batch_3", "54ebc095f3ab1f0389bbae665268c751", 31035999),
        File("cifar-10-batches-py/data_batch_4", "634d18415352ddfa80567beed471001a", 31035696),
        File("cifar-10-batches-py/data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb", 31035623),
        File("cifar-10-batches-py/test_batch", "40351d587109b95175f43aff81a1287e", 31035526),
        File("cifar-10-batches-py/batches.meta", "5ff9c542aee3614f3951f8cda6e48888", 158),
    ),
)


def load(data_dir: Path) -> tuple[Split, Split]:
    """Return the published split."""
    return read_cifar(FACTS, data_dir, "labels")


def fetch(data_dir: Path) -> None:
    """Download the published files."""
    download("CIFAR10", FACTS, data_dir)
