"""Real loaders on real files where there are any, and on files of the original formats everywhere."""

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
from svp_core.data_files import DataError
from svp_core.train import main

ROOT = Path(__file__).parents[1]
PACKED = ROOT.parent / "shared/data/packed"
REAL = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
}
DAMAGES = ["truncated", "flipped", "lengthened"]


@pytest.fixture(scope="session")
def real_data(tmp_path_factory) -> Path:
    """The data folder of this machine."""
    for folder in (Path(os.environ.get("SVP_DATA_DIR", ROOT / "data")), ROOT / "data"):
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


@pytest.mark.parametrize("name", REAL)
def test_every_format_is_read_as_torchvision_does(tiny, name):
    folder = tiny(name)
    kind = getattr(torchvision.datasets, "FashionMNIST" if "fashion" in name else name.upper())
    for split, is_train in zip(datasets.load(name, folder), (True, False), strict=True):
        expected = kind(folder, train=is_train)
        assert split.labels.dtype == np.int64 and split.images.dtype == np.uint8
        assert split.labels.tolist() == list(map(int, expected.targets))
        for image, (picture, _) in zip(split.images, expected, strict=True):
            pixels = np.asarray(picture)
            assert np.array_equal(image, pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


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
    for hint in ("snakemake data", f"python -m svp_core.fetch {name} --data-dir", known.homepage):
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
    output.unlink()
    file = datasets.facts(name).files[0].path
    small_sets.damage(folder / file, "flipped")
    assert main(command) == 1
    printed = capsys.readouterr().err
    assert file in printed and "Traceback" not in printed
    assert not list((tmp_path / "out").iterdir())


@pytest.fixture(params=["folder", "shards"])
def large(request, tmp_path, monkeypatch) -> Path:
    """A data folder with a fetched tiny Imagenette."""
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", small_sets.tiny_images())
    if request.param == "folder":
        small_sets.write_folder(tmp_path / "imagenette2-tiny")
    else:
        small_sets.write_shards(tmp_path / "imagenette")
    fetch.fetch("imagenette", tmp_path)
    return tmp_path


def a_file(folder: Path, part: str = "train") -> Path:
    return sorted(p for p in folder.rglob("*") if p.is_file() and part in str(p.parent))[0]


def read_all(folder: Path) -> list[list]:
    return [list(split.samples(None)) for split in datasets.load("imagenette", folder)]


def test_large_sets_are_listed_in_the_order_of_their_classes(large):
    train, test = read_all(large)
    assert [sample.label for sample in train] == [0] * 8 + [1] * 8 + [2] * 8
    assert [sample.label for sample in test] == [0, 0, 1, 1, 2, 2]
    assert [sample.index for sample in train] == list(range(24))


@pytest.mark.parametrize("kind", ["truncated", "lengthened"])
@pytest.mark.parametrize("part", ["train", "val"])
def test_a_file_of_another_size_than_fetched_is_named_at_once(large, part, kind):
    path = a_file(large, part)
    small_sets.damage(path, kind)
    with pytest.raises(DataError, match=re.escape(str(path))):
        datasets.load("imagenette", large)


def test_a_large_set_without_manifest_is_refused(large):
    manifest = large / "imagenette.json"
    for content, message in ((None, "is missing; write it"), ("{", "is damaged; renew it")):
        manifest.unlink() if content is None else manifest.write_text(content)
        with pytest.raises(DataError, match=f"imagenette.json {message}: python -m svp_core.fetch"):
            datasets.load("imagenette", large)


def test_a_file_that_was_not_fetched_is_named(large):
    path = a_file(large)
    path.rename(path.with_name(f"a{path.name}"))
    with pytest.raises(DataError, match=f"a{path.name} has .* when it was fetched None"):
        datasets.load("imagenette", large)


def test_a_subset_on_disk_is_refused_as_the_published_set(large, monkeypatch):
    larger = replace(small_sets.tiny_images(), train_size=25)
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", larger)
    with pytest.raises(DataError, match="24 images, the published set has 25; a subset is a data"):
        datasets.load("imagenette", large)
    with pytest.raises(DataError, match="24 images, the published set has 25"):
        fetch.fetch("imagenette", large)


def test_two_copies_are_refused(large):
    (large / "imagenette2-320").mkdir()
    with pytest.raises(DataError, match="imagenette2-320: keep only one"):
        datasets.load("imagenette", large)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", small_sets.tiny_images())
    small_sets.write_folder(tmp_path / "imagenette2-tiny")
    return tmp_path


def test_folders_that_are_no_classes_are_named(folder):
    stray = folder / "imagenette2-tiny/train/n00000000"
    stray.mkdir()
    with pytest.raises(DataError, match="n00000000 is no class of this dataset"):
        datasets.load("imagenette", folder)
    stray.rmdir()
    absent = folder / "imagenette2-tiny/val/n02102040"
    absent.rename(folder / "elsewhere")
    with pytest.raises(DataError, match="val: the class folders n02102040 are missing"):
        datasets.load("imagenette", folder)


def test_imagenet_takes_any_thousand_classes_in_sorted_order(tmp_path, monkeypatch):
    known = replace(datasets.facts("imagenet"), classes=3, train_size=24, test_size=6)
    monkeypatch.setattr("svp_core.datasets.imagenet.FACTS", known)
    small_sets.write_folder(tmp_path / "imagenet")
    fetch.fetch("imagenet", tmp_path)
    assert [len(split.labels) for split in datasets.load("imagenet", tmp_path)] == [24, 6]
    monkeypatch.setattr("svp_core.datasets.imagenet.FACTS", replace(known, classes=4))
    with pytest.raises(DataError, match="imagenet/train: 3 class folders, not 4"):
        datasets.load("imagenet", tmp_path)


def test_wrong_shards_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", small_sets.tiny_images(classes=2))
    small_sets.write_shards(tmp_path / "imagenette")
    with pytest.raises(DataError, match=r"0001.parquet: labels outside 0\.\.1"):
        datasets.load("imagenette", tmp_path)
    (tmp_path / "imagenette/train/0000.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match="0000.parquet is no whole parquet file"):
        datasets.load("imagenette", tmp_path)


@pytest.mark.parametrize("name", ["imagenette", "imagenet"])
def test_both_layouts_of_a_missing_large_set_are_described(tmp_path, name):
    with pytest.raises(DataError) as caught:
        datasets.load(name, tmp_path)
    for hint in ("train,val}/<class>/*.JPEG", "*.parquet", f"svp_core.fetch {name}", "https://"):
        assert hint in str(caught.value)


def test_facts_need_neither_torch_nor_the_files():
    names = [path.stem for path in (ROOT / "svp_core/datasets").glob("[a-z]*.py")]
    code = (
        "import sys; from svp_core import datasets\n"
        f"for name in {names!r}: assert datasets.facts(name).licence\n"
        "assert not {'torch', 'torchvision', 'datasets', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert len(names) == 7
