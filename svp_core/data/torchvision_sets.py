"""Small sets in the formats that torchvision reads: IDX files and CIFAR batches."""

from pathlib import Path

import numpy as np

from svp_core.data.files import File, difference
from svp_core.datasets import Facts, Split


def idx_files(folder: str, md5: dict[str, str]) -> tuple[File, ...]:
    """The four files of MNIST and of the sets in its format, which all have its sizes."""
    sizes = {
        "train-images-idx3-ubyte": 47040016,
        "train-labels-idx1-ubyte": 60008,
        "t10k-images-idx3-ubyte": 7840016,
        "t10k-labels-idx1-ubyte": 10008,
    }
    return tuple(File(f"{folder}/raw/{name}", md5[name], size) for name, size in sizes.items())


def read_idx(folder: Path) -> tuple[Split, Split]:
    """Return the training and the test split of verified IDX files."""
    # the class MNIST would prefer a processed/*.pt beside them, which nobody verified
    from torchvision.datasets.mnist import read_image_file, read_label_file

    def read(part: str) -> Split:
        images, labels = (
            folder / f"raw/{part}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")
        )
        return Split(
            read_image_file(str(images)).numpy()[:, None],
            read_label_file(str(labels)).numpy(),
            str(labels),
        )

    return read("train"), read("t10k")


def read_cifar(name: str, data_dir: Path) -> tuple[Split, Split]:
    """Return the splits of verified CIFAR batches; `name` is CIFAR10 or CIFAR100."""
    import torchvision

    def read(is_train: bool) -> Split:
        batches = getattr(torchvision.datasets, name)(data_dir, train=is_train, download=False)
        images = np.ascontiguousarray(batches.data.transpose(0, 3, 1, 2))
        files = batches.train_list if is_train else batches.test_list
        source = ", ".join(f"{data_dir / batches.base_folder / file}" for file, _ in files)
        return Split(images, np.array(batches.targets), source)

    return read(True), read(False)


def download(name: str, facts: Facts, data_dir: Path) -> None:
    """Download a set by the torchvision class of that name; replaces files that are wrong."""
    import torchvision

    for file in facts.files:  # torchvision would keep a file that is there, whatever is in it
        if (data_dir / file.path).is_file() and difference(file, data_dir):
            (data_dir / file.path).unlink()
    getattr(torchvision.datasets, name)(data_dir, download=True)
