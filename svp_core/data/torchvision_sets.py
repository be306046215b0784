"""Small sets in the formats that torchvision reads: IDX files and CIFAR batches."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from svp_core.data.files import DataError, File, brief, difference
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
        with as_published(images):
            pixels = read_image_file(str(images)).numpy()[:, None]
        with as_published(labels):
            return Split(pixels, read_label_file(str(labels)).numpy(), str(labels))

    return read("train"), read("t10k")


def read_cifar(facts: Facts, data_dir: Path, key: str) -> tuple[Split, Split]:
    """Return the splits of verified CIFAR batches, the labels being those of a key."""
    paths = [data_dir / file.path for file in facts.files if "meta" not in file.path]

    def read(is_train: bool) -> Split:
        chosen = [path for path in paths if path.name.startswith("test") != is_train]
        images, labels = zip(*(read_batch(path, key) for path in chosen), strict=True)
        return Split(np.concatenate(images), np.concatenate(labels), ", ".join(map(str, chosen)))

    return read(True), read(False)


def read_batch(path: Path, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, 3, 32, 32) and labels (N,) of a CIFAR batch."""
    with as_published(path):
        with path.open("rb") as file:
            content = Numbers(file, encoding="latin1").load()
        pixels, labels = content["data"], np.array(content[key])
        if pixels.dtype != np.uint8 or labels.dtype != np.int64 or labels.shape != pixels.shape[:1]:
            found = f"{pixels.dtype} {pixels.shape} with {key} {labels.dtype} {labels.shape}"
            raise ValueError(f"not bytes with an integer each: {found}")
        return pixels.reshape(-1, 3, 32, 32), labels


class Numbers(pickle.Unpickler):
    """Reads arrays and plain values; a pickle that calls anything else is refused."""

    def find_class(self, module: str, name: str) -> object:
        # NumPy 2 has moved what the pickles of NumPy 1 call
        module = module.replace("numpy.core.", "numpy._core.")
        if f"{module}.{name}" not in ARRAY_PARTS:
            raise pickle.UnpicklingError(f"it calls {module}.{name}")
        return super().find_class(module, name)


ARRAY_PARTS = {
    "numpy._core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.dtype",
    "_codecs.encode",  # of bytes, in a pickle of Python 3
}


@contextmanager
def as_published(path: Path) -> Iterator[None]:
    """Raise DataError for a file whose checksum fits, and whose content does not."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # damaged numbers make torch, NumPy and pickle raise anything
        reason = brief(error) or type(error).__name__
        raise DataError(f"{path} is not in the format of its set: {reason}") from error


def download(name: str, facts: Facts, data_dir: Path) -> None:
    """Download a set by the torchvision class of that name; replaces files that are wrong."""
    import torchvision

    for file in facts.files:  # torchvision would keep a file that is there, whatever is in it
        if (data_dir / file.path).is_file() and difference(file, data_dir):
            (data_dir / file.path).unlink()
    getattr(torchvision.datasets, name)(data_dir, download=True)
