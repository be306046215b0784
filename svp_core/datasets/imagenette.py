"""Imagenette, version 2: 13,394 photographs of ten easy classes of ImageNet."""

from pathlib import Path

from svp_core.data import hub
from svp_core.data.image_files import ImageFiles, read_image_files
from svp_core.datasets import Facts

FACTS = Facts(
    classes=10,
    shape=(3, 224, 224),
    train_size=9469,
    test_size=3925,
    mean=(0.485, 0.456, 0.406),  # of ImageNet, as is customary
    std=(0.229, 0.224, 0.225),
    licence="that of ImageNet: research and education, not commercial",
    homepage="https://github.com/fastai/imagenette",
    folder="imagenette*",  # imagenette: shards; imagenette2, imagenette2-320: published archives
    class_folders=(
        "n01440764",  # tench
        "n02102040",  # English springer
        "n02979186",  # cassette player
        "n03000684",  # chain saw
        "n03028079",  # church
        "n03394916",  # French horn
        "n03417042",  # garbage truck
        "n03425413",  # gas pump
        "n03445777",  # golf ball
        "n03888257",  # parachute
    ),
)


def load(data_dir: Path) -> tuple[ImageFiles, ImageFiles]:
    """Return the published split."""
    return read_image_files("imagenette", FACTS, data_dir)


def fetch(data_dir: Path) -> None:
    """Download the parquet shards of the full size."""
    revision = "f176676383cd85c8100e60054d979e1860dc2f61"
    hub.download("frgfm/imagenette", revision, ["full_size/*/*.parquet"], data_dir / "imagenette")
