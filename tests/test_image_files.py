"""Large sets: class folders and parquet shards, and every way in which they can be wrong."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import small_sets

from svp_core import datasets, fetch
from svp_core.data.files import DataError


@pytest.fixture(params=["folder", "shards"])
def large(request, tmp_path, monkeypatch) -> Path:
    """A data folder with a fetched tiny Imagenette."""
    return small_sets.fetched_imagenette(tmp_path, request.param, monkeypatch)


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
    (large / "imagenette.json").unlink()
    message = "imagenette.json is missing; write it: python -m svp_core.fetch"
    with pytest.raises(DataError, match=message):
        datasets.load("imagenette", large)


def test_a_file_that_was_not_fetched_is_named(large):
    path = a_file(large)
    path.rename(path.with_name(f"!{path.name}"))
    with pytest.raises(DataError, match=f"!{path.name} was not there when the set was fetched"):
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
    with pytest.raises(DataError, match="imagenette.* and .*imagenette.*: keep only one"):
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
    monkeypatch.setattr("svp_core.datasets.imagenet.FACTS", known)
    val = tmp_path / "imagenet/val"
    (val / small_sets.WNIDS[2]).rename(val / "n99999999")
    with pytest.raises(DataError, match="val/n99999999 is no class of this dataset"):
        datasets.load("imagenet", tmp_path)


def test_wrong_shards_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", small_sets.tiny_images(classes=2))
    small_sets.write_shards(tmp_path / "imagenette")
    with pytest.raises(DataError, match=r"0002.parquet row 0: label 2 outside 0\.\.1"):
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
