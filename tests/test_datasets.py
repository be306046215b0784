"""Real loaders: on real files where there are any, on files of the original formats everywhere."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_sets
import torch
import torchvision

from svp_core import datasets, fetch
from svp_core.data.files import DataError
from svp_core.data.loading import load_images
from svp_core.train import main

ROOT = Path(__file__).parents[1]
PACKED = ROOT.parent / "shared/data/packed"
REAL = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
}
CPU = torch.device("cpu")
DAMAGES = ["truncated", "flipped", "lengthened"]


@pytest.fixture(scope="session")
def real_data(tmp_path_factory) -> Path:
    """The data folder of this machine."""
    folder = Path(os.environ.get("SVP_DATA_DIR", ROOT / "data"))
    if folder.is_dir():
        return folder
    if not PACKED.is_dir():
        pytest.skip("no data: set SVP_DATA_DIR, or run python -m svp_core.fetch mnist")
    folder = tmp_path_factory.mktemp("data")
    command = [sys.executable, str(PACKED.parent / "restore.py"), str(PACKED), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def require(folder: Path, name: str) -> Path:
    if not list(folder.glob(name)):
        pytest.skip(f"{folder} has no {name}")
    return folder


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Write a tiny small set to a data folder and publish it; returns the folder."""

    def publish(name: str) -> Path:
        folder = tmp_path / "data"
        if name == "cifar10":
            small_sets.write_cifar10(folder / "cifar-10-batches-py")
            known = small_sets.published(name, folder, train_size=40, test_size=8)
        elif name == "cifar100":
            small_sets.write_cifar100(folder / "cifar-100-python")
            known = small_sets.published(name, folder, train_size=200, test_size=100)
        else:
            small_sets.write_idx(folder / REAL[name])
            known = small_sets.published(name, folder, train_size=60, test_size=20)
        republish(name, known, monkeypatch)
        return folder

    return publish


def republish(name: str, known: datasets.Facts, monkeypatch) -> None:
    """Make these the facts, and for torchvision, which checks as well, the checksums."""
    monkeypatch.setattr(f"svp_core.datasets.{name}.FACTS", known)
    if name.startswith("cifar"):
        kind = getattr(torchvision.datasets, name.upper())
        md5 = {Path(file.path).name: file.md5 for file in known.files}
        for attribute in ("train_list", "test_list"):
            files = [[file, md5[file]] for file, _ in getattr(kind, attribute)]
            monkeypatch.setattr(kind, attribute, files)
        monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5[kind.meta["filename"]]})


@pytest.mark.parametrize("name", REAL)
def test_the_published_files_are_what_the_facts_say(real_data, name):
    train, test = datasets.load(name, require(real_data, REAL[name]))
    known = datasets.facts(name)
    assert train.images.dtype == test.images.dtype == np.uint8
    assert len(train.labels) == known.train_size and len(test.labels) == known.test_size
    assert set(train.labels) == set(test.labels) == set(range(known.classes))
    scaled = train.images / known.pixel_max
    np.testing.assert_allclose(scaled.mean(axis=(0, 2, 3)), known.mean, atol=6e-5)
    np.testing.assert_allclose(scaled.std(axis=(0, 2, 3)), known.std, atol=6e-5)


def test_a_run_on_real_images_learns(real_data, tmp_path):
    settings = ["dataset=mnist", "model=mlp", "method=svp", "seed=0", "recipe.epochs=2"]
    settings += ["recipe.train_images=5000", "model_options.width=64"]
    command = [*settings, "--data-dir", str(require(real_data, REAL["mnist"]))]
    assert main([*command, "--output", str(tmp_path / "run.json"), "--threads", "1"]) == 0
    assert json.loads((tmp_path / "run.json").read_text())["test_accuracy"] > 80


def test_real_photographs_are_streamed_and_a_subset_says_that_it_is_one(
    real_data, tmp_path, monkeypatch
):
    folder = sorted(require(real_data, "imagenette2*").glob("imagenette2*"))[0]
    (tmp_path / folder.name).symlink_to(folder.resolve())  # the manifest belongs beside it
    train, test = (len(list((folder / part).glob("*/*"))) for part in ("train", "val"))
    if train != datasets.facts("imagenette").train_size:
        with pytest.raises(DataError, match=f"{train} images, the published set has 9469"):
            fetch.fetch("imagenette", tmp_path)
    known = replace(datasets.facts("imagenette"), train_size=train, test_size=test)
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", known)
    fetch.fetch("imagenette", tmp_path)
    recipe = {"train_images": 20, "validation_images": None, "augmentation": ["crop"]}
    images, _ = load_images({"dataset": "imagenette", "recipe": recipe}, tmp_path, CPU)
    [(batch, labels)] = images.shuffled(20, seed=0, epoch=1)
    assert batch.shape == (20, 3, 224, 224) and sorted(labels) == sorted([*range(10)] * 2)
    assert abs(batch.mean()) < 0.5 and 0.5 < batch.std() < 2


@pytest.mark.parametrize("name", REAL)
def test_every_format_is_read_as_torchvision_does(tiny, name):
    folder = tiny(name)
    kind = getattr(torchvision.datasets, "FashionMNIST" if "fashion" in name else name.upper())
    for split, is_train in zip(datasets.load(name, folder), (True, False), strict=True):
        expected = kind(folder, train=is_train)
        assert split.labels.dtype == np.int64 and split.images.dtype == np.uint8
        assert split.labels.tolist() == list(map(int, expected.targets))
        for image, (picture, _) in zip(split.images, expected, strict=True):
            pixels = np.atleast_3d(np.asarray(picture)).transpose(2, 0, 1)
            assert np.array_equal(image, pixels)


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("name", REAL)
def test_a_damaged_file_is_named(tiny, name, kind):
    folder = tiny(name)
    for file in datasets.facts(name).files:
        path = folder / file.path
        content = path.read_bytes()
        small_sets.damage(path, kind)
        found = "has MD5" if kind == "flipped" else "bytes, the published file"
        with pytest.raises(DataError, match=f"{re.escape(str(path))}.*{found}"):
            datasets.load(name, folder)
        path.write_bytes(content)
    datasets.load(name, folder)


@pytest.mark.parametrize("name", REAL)
def test_missing_files_are_listed_with_the_way_to_get_them(tmp_path, name):
    with pytest.raises(DataError) as caught:
        datasets.load(name, tmp_path)
    known = datasets.facts(name)
    for file in known.files:
        assert str(tmp_path / file.path) in str(caught.value)
    by_hand = f"python -m svp_core.fetch {name} --data-dir {tmp_path}"
    for hint in (by_hand, "snakemake --cores 1 data --forcerun fetch", known.homepage):
        assert hint in str(caught.value)


def test_only_the_missing_file_is_listed(tiny):
    folder = tiny("mnist")
    (folder / "MNIST/raw/t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError) as caught:
        datasets.load("mnist", folder)
    assert "t10k-labels" in str(caught.value) and "train-" not in str(caught.value)


def test_wrong_labels_are_refused_even_if_the_checksum_fits(tiny, monkeypatch):
    folder = tiny("mnist")
    path = folder / "MNIST/raw/train-labels-idx1-ubyte"
    path.write_bytes(small_sets.idx(np.full(60, 10)))
    with pytest.raises(DataError, match="train-labels-idx1-ubyte has MD5"):
        datasets.load("mnist", folder)
    known = small_sets.published("mnist", folder)
    republish("mnist", known, monkeypatch)
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte: labels outside 0\.\.9"):
        datasets.load("mnist", folder)
    republish("mnist", replace(known, train_size=59), monkeypatch)
    with pytest.raises(DataError, match="60 images, the published set has 59; a subset is"):
        datasets.load("mnist", folder)


def test_an_unverified_copy_beside_the_files_is_not_read(tiny):
    folder = tiny("mnist")
    (folder / "MNIST/processed").mkdir()
    for name in ("training.pt", "test.pt"):
        fake = (torch.zeros(60, 28, 28, dtype=torch.uint8), torch.zeros(60, dtype=torch.long))
        torch.save(fake, folder / "MNIST/processed" / name)
    assert datasets.load("mnist", folder)[0].images.any()


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_nothing_is_trained_on_a_damaged_file(tiny, tmp_path, capsys, name):
    folder, output = tiny(name), tmp_path / "out/run.json"
    settings = [f"dataset={name}", "model=mlp", "method=svp", "seed=0", "recipe.epochs=1"]
    settings += ["model_options.width=8", "recipe.batch_size=10"]
    command = [*settings, "--data-dir", str(folder), "--output", str(output), "--threads", "1"]
    command += ["--checkpoint", str(tmp_path / "out/run.pt")]
    assert main(command) == 0
    for path in (output, tmp_path / "out/run.record.json"):  # or the run would be finished
        path.unlink()
    file = datasets.facts(name).files[0].path
    small_sets.damage(folder / file, "flipped")
    assert main(command) == 1
    printed = capsys.readouterr().err
    assert file in printed and "Traceback" not in printed
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.lock"]


def test_facts_need_neither_torch_nor_the_files():
    names = [path.stem for path in (ROOT / "svp_core/datasets").glob("[a-z]*.py")]
    code = (
        "import sys; from svp_core import datasets\n"
        f"for name in {names!r}: assert datasets.facts(name).licence\n"
        "assert not {'torch', 'torchvision', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert len(names) == 7
