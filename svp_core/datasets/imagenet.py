"""ImageNet-1k (ILSVRC 2012): 1.3 million photographs, a thousand classes."""

from pathlib import Path

from svp_core.data import hub
from svp_core.data.image_files import ImageFiles, read_image_files
from svp_core.datasets import Facts

FACTS = Facts(
    classes=1000,
    shape=(3, 224, 224),
    train_size=1281167,
    test_size=50000,  # the published validation split; that for tests has no labels
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    licence="research and education, not commercial; to be accepted before the download",
    homepage="https://huggingface.co/datasets/ILSVRC/imagenet-1k",
    folder="imagenet",
)


def load(data_dir: Path) -> tuple[ImageFiles, ImageFiles]:
    """Return the training and the validation split, classes sorted by WordNet id."""
    return read_image_files("imagenet", FACTS, data_dir)


def fetch(data_dir: Path) -> None:
    """Download the parquet shards, about 150 GB, for an account that has accepted the licence."""
    patterns = ["data/train-*.parquet", "data/validation-*.parquet"]
    revision = "49e2ee26f3810fb5a7536bbf732a7b07389a47b5"
    hub.download("ILSVRC/imagenet-1k", revision, patterns, data_dir / "imagenet")
