"""Fetching: what is there is verified, what is not is downloaded, and a manifest lists it."""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
import small_sets
import torchvision
from test_datasets import republish

from svp_core import datasets, fetch
from svp_core.data import hub
from svp_core.data.files import DataError

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
NOWHERE = "http://127.0.0.1:9/"  # the discard port: refused at once


@pytest.fixture
def server(tmp_path):
    """Serve the folder `web` below `tmp_path`; returns its address."""
    (tmp_path / "web").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "web")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}/"
        served.shutdown()


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def mnist(tmp_path, server, monkeypatch) -> Path:
    """A tiny MNIST in the folder `original`, published and served as torchvision expects it."""
    original = tmp_path / "original"
    small_sets.write_idx(original / "MNIST")
    known = small_sets.published("mnist", original, train_size=60, test_size=20)
    republish("mnist", known, monkeypatch)
    resources = []
    for file in known.files:
        archive = tmp_path / "web" / f"{Path(file.path).name}.gz"
        archive.write_bytes(gzip.compress((original / file.path).read_bytes()))
        resources.append((archive.name, md5(archive)))
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [server])
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    return original


def run(name: str, data_dir: Path, manifest: Path | None = None) -> int:
    command = [name, "--data-dir", str(data_dir)]
    return fetch.main([*command, "--manifest", str(manifest)] if manifest else command)


def unplug(monkeypatch) -> None:
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [NOWHERE])
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", NOWHERE)


def test_a_missing_set_is_downloaded_and_described(mnist, tmp_path):
    manifest = tmp_path / "results/mnist.json"
    assert run("mnist", tmp_path / "data", manifest) == 0
    assert len(datasets.load("mnist", tmp_path / "data")[0].labels) == 60
    said = json.loads(manifest.read_text())
    assert said["dataset"] == "mnist" and said["licence"] == datasets.facts("mnist").licence
    for file in datasets.facts("mnist").files:
        content = (mnist / file.path).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        assert said["files"][file.path] == {"bytes": len(content), "sha256": digest}


def test_files_that_are_right_are_not_downloaded(mnist, tmp_path, monkeypatch):
    unplug(monkeypatch)
    assert run("mnist", mnist, tmp_path / "manifest.json") == 0
    assert (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize("kind", ["truncated", "flipped", "lengthened"])
def test_wrong_files_are_downloaded_again(mnist, tmp_path, kind):
    shutil.copytree(mnist, tmp_path / "data")
    small_sets.damage(tmp_path / "data/MNIST/raw/t10k-images-idx3-ubyte", kind)
    assert run("mnist", tmp_path / "data") == 0
    datasets.load("mnist", tmp_path / "data")


def test_a_damaged_download_is_refused(mnist, tmp_path, capsys):
    archive = tmp_path / "web/train-labels-idx1-ubyte.gz"
    small_sets.damage(archive, "truncated")
    assert run("mnist", tmp_path / "data", tmp_path / "manifest.json") == 1
    printed = capsys.readouterr().err
    assert "train-labels-idx1-ubyte" in printed and "Traceback" not in printed
    assert not (tmp_path / "manifest.json").exists()


def test_without_a_network_the_missing_files_and_the_way_to_get_them_are_said(
    mnist, tmp_path, capsys, monkeypatch
):
    unplug(monkeypatch)
    assert run("mnist", tmp_path / "data", tmp_path / "manifest.json") == 1
    printed = capsys.readouterr().err
    for file in datasets.facts("mnist").files:
        assert str(tmp_path / "data" / file.path) in printed
    assert "no download from here" in printed and datasets.facts("mnist").homepage in printed
    assert "Traceback" not in printed and not (tmp_path / "manifest.json").exists()


def test_cifar_is_downloaded_as_one_archive(tmp_path, server, monkeypatch):
    original = tmp_path / "original"
    small_sets.write_cifar10(original / "cifar-10-batches-py")
    known = small_sets.published("cifar10", original, train_size=40, test_size=8)
    republish("cifar10", known, monkeypatch)
    archive = tmp_path / "web/cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(original / "cifar-10-batches-py", "cifar-10-batches-py")
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", server + archive.name)
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", md5(archive))
    assert run("cifar10", tmp_path / "data") == 0
    small_sets.damage(tmp_path / "data/cifar-10-batches-py/data_batch_3", "flipped")
    assert run("cifar10", tmp_path / "data") == 0
    assert len(datasets.load("cifar10", tmp_path / "data")[0].labels) == 40


@pytest.fixture
def imagenette(tmp_path, monkeypatch) -> Path:
    """A hub that has a tiny Imagenette in the folder that is returned."""
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", small_sets.tiny_images())
    remote = tmp_path / "hub"
    small_sets.write_shards(remote / "full_size")
    (remote / "README.md").write_text("not wanted")
    files = [path for path in remote.rglob("*.parquet")]
    siblings = [
        SimpleNamespace(
            rfilename=path.relative_to(remote).as_posix(),
            lfs=SimpleNamespace(sha256=hashlib.sha256(path.read_bytes()).hexdigest()),
        )
        for path in files
    ]

    def dataset_info(self, repository, revision, files_metadata):
        assert repository == "frgfm/imagenette" and len(revision) == 40
        return SimpleNamespace(sha=revision, siblings=siblings)

    def snapshot_download(repository, repo_type, revision, allow_patterns, local_dir):
        assert repo_type == "dataset" and allow_patterns == ["full_size/*/*.parquet"]
        for path in remote.glob(allow_patterns[0]):
            target = Path(local_dir) / path.relative_to(remote)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                shutil.copy(path, target)

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", dataset_info)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return remote


def test_a_large_set_is_downloaded_from_the_hub_and_its_manifest_kept_with_it(imagenette, tmp_path):
    data, manifest = tmp_path / "data", tmp_path / "manifest.json"
    assert run("imagenette", data, manifest) == 0
    assert sorted(path.name for path in data.iterdir()) == ["imagenette", "imagenette.json"]
    assert (data / "imagenette.json").read_bytes() == manifest.read_bytes()
    train, test = datasets.load("imagenette", data)
    assert len(train.labels) == 24 and len(test.labels) == 6


def test_a_damaged_shard_is_named_and_fetched_again(imagenette, tmp_path, capsys):
    data, shard = tmp_path / "data", imagenette / "full_size/train/0001.parquet"
    content = shard.read_bytes()
    small_sets.damage(shard, "flipped")
    assert run("imagenette", data) == 1
    assert "0001.parquet arrived damaged" in capsys.readouterr().err
    assert not (data / "imagenette").exists()
    shard.write_bytes(content)
    assert run("imagenette", data) == 0


def test_a_folder_put_there_by_hand_is_verified_but_never_replaced(imagenette, tmp_path, capsys):
    data = tmp_path / "data"
    small_sets.write_folder(data / "imagenette2")
    assert run("imagenette", data) == 0
    sorted((data / "imagenette2/train/n01440764").iterdir())[0].unlink()
    assert run("imagenette", data) == 1
    assert "23 images, the published set has 24" in capsys.readouterr().err
    assert not (data / "imagenette").exists()


@pytest.mark.parametrize(("name", "message"), [("mnisst", "is not one of"), ("", "is not one of")])
def test_an_unknown_name_is_refused(tmp_path, capsys, name, message):
    assert run(name, tmp_path) == 1
    assert message in capsys.readouterr().err


def test_bundled_sets_need_no_files(tmp_path):
    assert run("digits", tmp_path, tmp_path / "manifest.json") == 0


def test_a_read_only_place_for_the_manifest_is_named(mnist, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run("mnist", mnist, tmp_path / "file/manifest.json") == 1
    assert "cannot write" in capsys.readouterr().err


def test_the_hub_refuses_what_it_did_not_publish(imagenette, tmp_path):
    for shard in imagenette.rglob("0000.parquet"):
        small_sets.damage(shard, "truncated")
    with pytest.raises(DataError, match="0000.parquet arrived damaged"):
        revision = "0" * 40
        hub.download("frgfm/imagenette", revision, ["full_size/*/*.parquet"], tmp_path / "x")


TINY = '''"""A tiny set in the format of MNIST."""

from svp_core.data.files import File
from svp_core.datasets import Facts
from svp_core.data.torchvision_sets import read_idx

FACTS = Facts(10, (1, 28, 28), 60, 20, (0.5,), (0.3,), "MIT", "https://example.org", {files})


def load(data_dir):
    return read_idx(data_dir / "MNIST")
'''


@pytest.fixture
def suite(tmp_path) -> Path:
    """A copy of the suite with one more dataset, whose files lie in the folder `there`."""
    for part in ("Snakefile", "config", "envs", "figures", "profiles", "svp_core", "workflow"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    small_sets.write_idx(tmp_path / "there/MNIST")
    files = small_sets.published("mnist", tmp_path / "there").files
    (tmp_path / "svp_core/datasets/tiny.py").write_text(TINY.format(files=files))
    (tmp_path / "tiny.yaml").write_text(
        "data_dir: there\n"
        "grid: {dataset: [digits, tiny], model: [mlp], method: [svp], seed: [0]}\n"
        "tasks:\n"
        "  digits/mlp: {model: {depth: 2, width: 8}, recipe: {epochs: 1}}\n"
        "  tiny/mlp: {model: {depth: 2, width: 8}, recipe: {epochs: 1, batch_size: 20}}\n"
    )
    return tmp_path


def snakemake(folder: Path, *arguments: str, data_dir: str = "", ok: bool = True) -> str:
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "SVP_DATA_DIR": data_dir}
    command = [str(BIN / "snakemake"), "--cores", "2", "--configfile", "tiny.yaml", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    printed = done.stdout + done.stderr
    assert (done.returncode == 0) == ok, printed
    return printed


def planned(printed: str, rule: str) -> int:
    found = re.search(rf"^{rule} +(\d+)$", printed, re.M)
    return int(found[1]) if found else 0


@pytest.mark.slow
def test_the_workflow_fetches_once_and_a_moved_folder_trains_nothing_again(suite):
    records = [f"results/runs/{name}/mlp/svp/default/0.json" for name in ("digits", "tiny")]
    dry = snakemake(suite, "-n", "--", *records)
    assert planned(dry, "fetch") == 1 and planned(dry, "train") == 2  # digits need no files
    snakemake(suite, "--", *records)
    assert json.loads((suite / "results/data/tiny.json").read_text())["dataset"] == "tiny"
    assert "Nothing to be done" in snakemake(suite, "-n", "--", *records)

    (suite / "there").rename(suite / "another place")
    assert "Nothing to be done" in snakemake(suite, "-n", "--", *records, data_dir="another place")
    again = ("--forcerun", "fetch", "--", "data")
    assert planned(snakemake(suite, *again, data_dir="another place"), "fetch") == 1
    assert "Nothing to be done" in snakemake(suite, "-n", "--", *records, data_dir="another place")
    assert "another place" not in (suite / "results/data/tiny.json").read_text()

    facts = suite / "svp_core/datasets/tiny.py"
    facts.write_text(facts.read_text().replace("(0.3,)", "(0.4,)"))
    dry = snakemake(suite, "-n", "--", *records, data_dir="another place")
    assert planned(dry, "fetch") == planned(dry, "train") == 1


@pytest.mark.slow
def test_a_wrong_file_stops_the_workflow_before_its_trainings(suite):
    small_sets.damage(suite / "there/MNIST/raw/train-labels-idx1-ubyte", "flipped")
    printed = snakemake(suite, "--", "data", ok=False)
    assert "train-labels-idx1-ubyte has MD5" in printed and "tiny.json: error: tiny:" in printed
    assert "no download from here" in (suite / "logs/data/tiny.log").read_text()
    snakemake(suite, "--", "results/runs/tiny/mlp/svp/default/0.json", ok=False)
    assert not list(suite.glob("results/**/*.json"))
