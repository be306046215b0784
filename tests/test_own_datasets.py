"""Datasets of one's own: a folder of images or shards of the hub, their facts found by a fetch."""

import io
import json
import shutil

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from svp_core import datasets, fetch, provenance, train
from svp_core.config import resolve
from svp_core.config.pairs import ConfigError
from svp_core.data import own

COMMIT = "0123456789" * 4
RUN = {"model": "mlp", "method": "svp", "seed": 0}


@pytest.fixture(autouse=True)
def looked_in(tmp_path, monkeypatch):
    """The folder where sets of one's own are found, which ends with the test."""
    monkeypatch.setattr(own, "folder", tmp_path / "data")
    return tmp_path / "data"


def image(label: int, seed: int, size=(8, 8), mode: str = "L") -> Image.Image:
    """A square whose brightness tells the label."""
    noise = np.random.default_rng(seed).integers(0, 40, (size[1], size[0], 3))
    return Image.fromarray((noise + 60 * label).astype(np.uint8)).convert(mode)


def folder(root, part: str = "", count: int = 10, **looks):
    for label, name in enumerate(("ash", "beech", "cedar")):
        (root / part / name).mkdir(parents=True)
        for seed in range(count):
            image(label, seed, **looks).save(root / part / name / f"{seed}.png")
    return root


def described(name: str, source: str, data, *options) -> int:
    return fetch.main([name, "--source", source, "--data-dir", str(data), *options])


def test_a_folder_of_classes_is_divided_and_described(tmp_path, looked_in):
    root = folder(tmp_path / "trees")
    assert described("trees", f"imagefolder:{root}", looked_in) == 0
    facts = datasets.facts("trees")
    assert (facts.classes, facts.shape) == (3, (1, 8, 8))
    assert (facts.train_size, facts.test_size) == (24, 6) and not facts.is_streamed
    train_images, test_images = datasets.load("trees", looked_in)
    pixels = train_images.images / 255
    assert pixels.mean() == pytest.approx(facts.mean[0], abs=1e-4)
    assert pixels.std() == pytest.approx(facts.std[0], abs=1e-4)
    shown = {one.tobytes() for one in (*train_images.images, *test_images.images)}
    assert len(shown) == 30
    files = json.loads((looked_in / "trees.json").read_text())["files"]
    assert len(files) == 30 and all(path.startswith("trees/") for path in files)


def test_its_own_division_is_kept(tmp_path, looked_in):
    root = folder(tmp_path / "trees", "train", mode="RGB", size=(12, 8))
    folder(root, "test", count=2, mode="RGB", size=(8, 8))
    assert described("trees", f"imagefolder:{root}", looked_in, "--size", "6") == 0
    facts = datasets.facts("trees")
    assert (facts.train_size, facts.test_size, facts.shape) == (30, 6, (3, 6, 6))
    assert datasets.load("trees", looked_in)[1].labels.tolist() == [0, 0, 1, 1, 2, 2]


def test_it_is_trained_on_by_its_name(tmp_path, looked_in):
    described("trees", f"imagefolder:{folder(tmp_path / 'trees', count=40)}", looked_in)
    settings = ["dataset=trees", *(f"{key}={value}" for key, value in RUN.items())]
    settings += ["recipe.epochs=10", "recipe.batch_size=16", "recipe.lr=0.01"]
    files = ["--output", str(tmp_path / "record.json"), "--data-dir", str(looked_in)]
    assert train.main([*settings, *files, "--threads", "1", "--device", "cpu"]) == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["test_accuracy"] > 90 and record["provenance"]["data_hash"]


def test_other_facts_make_other_runs(tmp_path, looked_in):
    source = f"imagefolder:{folder(tmp_path / 'trees')}"
    hashes = []
    for size in ("8", "6"):
        described("trees", source, looked_in, "--size", size)
        run = resolve(RUN | {"dataset": "trees", "recipe": {"batch_size": 8}})
        hashes.append(provenance.source_hash(provenance.run_sources(run)))
    assert len(set(hashes)) == 2


def test_what_reads_them_is_no_source_of_other_runs():
    files = provenance.run_sources(resolve(RUN | {"dataset": "digits"}))
    names = {path.relative_to(provenance.PACKAGE).as_posix() for path in files}
    assert "datasets/digits.py" in names
    assert not names & {"data/own.py", "data/sources.py", "models/own.py", "__init__.py"}


def test_a_large_set_is_streamed(tmp_path, looked_in, monkeypatch):
    monkeypatch.setattr(own, "RESIDENT", 10)
    described("trees", f"imagefolder:{folder(tmp_path / 'trees')}", looked_in)
    facts = datasets.facts("trees")
    assert facts.is_streamed and facts.shape == (3, 8, 8)
    assert len(list(datasets.load("trees", looked_in)[0].samples(0))) == 24


def write_shard(path, labels, names=("ash", "beech", "cedar")):
    rows = []
    for seed, label in enumerate(labels):
        buffer = io.BytesIO()
        image(label, seed, mode="RGB").save(buffer, "PNG")
        rows.append({"image": {"bytes": buffer.getvalue(), "path": ""}, "label": label})
    table = pyarrow.Table.from_pylist(rows)
    features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), path)


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """A repository of the hub: its folder, from which downloads are copied."""
    from svp_core.data import hub

    asked = []

    def download(repository, revision, patterns, there):
        asked.append((repository, revision, patterns))
        shutil.copytree(tmp_path / "remote", there)

    monkeypatch.setattr(hub, "download", download)
    write_shard(tmp_path / "remote/data/train-00000-of-00002.parquet", [0, 1] * 4)
    write_shard(tmp_path / "remote/data/train-00001-of-00002.parquet", [1, 0] * 4)
    write_shard(tmp_path / "remote/data/test-00000-of-00001.parquet", [0, 1, 0])
    return asked


def test_shards_of_the_hub_are_described(looked_in, remote):
    assert described("trees", f"hub:me/trees@{COMMIT}", looked_in) == 0
    assert remote == [("me/trees", COMMIT, ["*.parquet"])]
    facts = datasets.facts("trees")
    assert (facts.classes, facts.train_size, facts.test_size) == (3, 16, 3)
    assert datasets.load("trees", looked_in)[1].labels.tolist() == [0, 1, 0]
    assert fetch.main(["trees", "--data-dir", str(looked_in)]) == 0 and len(remote) == 1


def test_one_of_several_settings_has_to_be_named(tmp_path, looked_in, remote, capsys):
    shutil.move(tmp_path / "remote/data", tmp_path / "remote/small")
    write_shard(tmp_path / "remote/large/train-0.parquet", [0])
    assert described("trees", f"hub:me/trees@{COMMIT}", looked_in) == 1
    assert "several settings: large, small; add one" in capsys.readouterr().err
    shutil.rmtree(next(looked_in.glob("trees.0*")))
    assert described("trees", f"hub:me/trees@{COMMIT}/small", looked_in) == 0


REFUSED = {
    "nowhere is no folder": "imagefolder:nowhere",
    "neither imagefolder:PATH nor hub:OWNER/NAME@REVISION": "hub:me/trees@main",
    "0 images; one is to train": "imagefolder:{tmp}/empty_class",
    "has no folder of a class": "imagefolder:{tmp}/empty",
    "has train, but none of val": "imagefolder:{tmp}/untested",
    "size: the images differ, as 6x6 and 8x8 pixels": "imagefolder:{tmp}/unequal",
    "ash/0.png is no image": "imagefolder:{tmp}/broken",
    "ash/7.png is no image": "imagefolder:{tmp}/spoilt",
}


@pytest.mark.parametrize("said", REFUSED)
def test_a_source_that_cannot_be_read_is_refused(said, tmp_path, looked_in, capsys):
    folder(tmp_path / "untested", "train")
    folder(tmp_path / "unequal")
    image(0, 0, (6, 6)).save(tmp_path / "unequal/ash/0.png")
    for name, file in (("broken", "ash/0.png"), ("spoilt", "ash/7.png")):
        folder(tmp_path / name)
        (tmp_path / name / file).write_bytes(b"nothing")
    for name in ("empty", "empty_class/ash"):
        (tmp_path / name).mkdir(parents=True)
    assert described("trees", REFUSED[said].format(tmp=tmp_path), looked_in) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not list(looked_in.glob("*.json"))


@pytest.mark.parametrize("name", ["mnist", "A", "a/b", "a b"])
def test_a_name_is_a_word_that_is_free(name, tmp_path, looked_in, capsys):
    assert described(name, f"imagefolder:{tmp_path}", looked_in) == 1
    assert "choose another name" in capsys.readouterr().err


def test_a_config_says_what_was_fetched(tmp_path, looked_in):
    source = f"imagefolder:{folder(tmp_path / 'trees')}"
    declared = {"trees": {"source": source, "size": 6}}
    with pytest.raises(
        ConfigError, match="datasets.trees: not fetched; describe it: python -m svp"
    ):
        own.require(declared)
    described("trees", source, looked_in, "--size", "6")
    own.require(declared)
    with pytest.raises(
        ConfigError, match="datasets.trees.size: 8, but that of the fetched set is 6"
    ):
        own.require({"trees": {"source": source, "size": 8}})


def test_an_unknown_dataset_is_named():
    with pytest.raises(ConfigError, match="dataset: 'trees' is not one of"):
        resolve(RUN | {"dataset": "trees"})
