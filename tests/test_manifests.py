"""Data that changed since they were fetched, and manifests that say nothing, or nothing true."""

import errno
import json
import os
import sys
from pathlib import Path

import pytest
import small_sets
from small_sets import contents

from svp_core import datasets, fetch
from svp_core.data import image_files
from svp_core.data.files import DataError
from svp_core.runtime import files as files_module
from svp_core.train import main as train


@pytest.fixture(params=["folder", "shards"])
def data(request, tmp_path, monkeypatch) -> Path:
    """A data folder with a fetched tiny Imagenette."""
    return small_sets.fetched_imagenette(tmp_path / "data", request.param, monkeypatch)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    return small_sets.fetched_imagenette(tmp_path / "data", "folder", monkeypatch)


def run(data_dir: Path, *options: str) -> int:
    return fetch.main(["imagenette", "--data-dir", str(data_dir), *options])


def alter(data_dir: Path) -> Path:
    """Replace an image by another of as many bytes, which only a digest tells from it."""
    path = sorted(p for p in data_dir.rglob("*") if p.suffix in (".JPEG", ".parquet"))[0]
    content = path.read_bytes()
    at = content.rindex(b"\xff\xd9") - 5  # of the last pixels: it still decodes
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    image_files.require_digest.cache_clear()  # as in another process
    return path


def training(data_dir: Path, output: Path) -> int:
    settings = ["dataset=imagenette", "model=cnn", "method=svp", "seed=0", "recipe.epochs=1"]
    settings += ["recipe.batch_size=8", "model_options.width=4", "--threads", "1"]
    return train([*settings, "--data-dir", str(data_dir), "--output", str(output)])


def test_altered_data_are_refused_in_every_working_directory(data, tmp_path, capfd):
    one, other = tmp_path / "one", tmp_path / "other"
    assert run(data, "--manifest", str(one / "imagenette.json")) == 0
    path = alter(data)
    before = contents(tmp_path)
    capfd.readouterr()
    for place in (one, other):
        assert run(data, "--manifest", str(place / "imagenette.json")) == 1
        printed = capfd.readouterr().err
        assert printed.startswith(f"error: imagenette: {path} is not the file that was fetched")
        assert "--renew" in printed and printed.count("\n") == 1
        assert training(data, place / "run.json") == 1
        printed = capfd.readouterr().err
        assert f"{path} is not the file that was fetched" in printed
    assert contents(tmp_path) == before


def test_what_was_renewed_elsewhere_is_asked_for_here_as_well(data, tmp_path, capfd):
    here = tmp_path / "here/imagenette.json"
    assert run(data, "--manifest", str(here)) == 0
    old = here.read_bytes()
    alter(data)
    assert run(data, "--renew") == 0
    assert "all 30 images were decoded" in capfd.readouterr().out
    assert run(data, "--manifest", str(here)) == 1
    assert f"(says {here})" in capfd.readouterr().err and here.read_bytes() == old
    assert run(data, "--manifest", str(here), "--renew") == 0
    assert here.read_bytes() == (data / "imagenette.json").read_bytes() != old


def test_what_is_as_it_was_is_not_decoded_again_nor_written(data, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("svp_core.data.decoding.decode_rgb", None)
    written = (data / "imagenette.json").stat().st_mtime_ns
    assert run(data, "--manifest", str(tmp_path / "imagenette.json")) == 0
    assert "those that were fetched and decoded before" in capfd.readouterr().out
    # a folder of somebody else is only read
    assert (data / "imagenette.json").stat().st_mtime_ns == written
    assert (tmp_path / "imagenette.json").read_bytes() == (data / "imagenette.json").read_bytes()


def test_what_no_version_decoded_is_decoded(folder, capfd):
    manifest = folder / "imagenette.json"
    content = json.loads(manifest.read_text())
    del content["images"]
    manifest.write_text(json.dumps(content))
    image = next(folder.rglob("*.JPEG"))
    assert run(folder) == 0 and "all 30 images were decoded" in capfd.readouterr().out
    image.write_bytes(b"no image")
    assert run(folder, "--renew") == 1
    assert f"{image} is no image" in capfd.readouterr().err


FILE = "imagenette2-tiny/train/n01440764/n01440764_00.JPEG"
ENTRY = {"bytes": 1, "sha256": "0" * 64}
BAD = {
    "{": "Expecting property name",
    "[" * 100000: "nested too deeply",
    "[]": "dataset: it is not that of imagenette",
    '{"dataset": "imagenet", "files": {}}': "dataset: it is not that of imagenette",
    '{"dataset": "imagenette"}': "files: not a mapping",
    '{"dataset": "imagenette", "files": []}': "files: not a mapping",
    '{"dataset": "imagenette", "dataset": "imagenette"}': "'dataset': twice",
    '{"dataset": "imagenette", "images": true, "files": {"a": 1}}': "images: not an integer",
    '{"dataset": "imagenette", "files": {"a": {"bytes": 1}}}': "files: 'a': not bytes and sha256",
    "\xff": "'utf-8' codec can't decode",
}
BAD_ENTRIES = [(key, value) for key in ENTRY for value in (1.5, "1", True, None, [], -1)]


def refused_everywhere(data_dir: Path, message: str, capfd) -> None:
    """Neither a training nor a fetch goes on, and nothing changes."""
    before = contents(data_dir.parent)
    with pytest.raises(DataError) as caught:
        datasets.load("imagenette", data_dir)
    capfd.readouterr()
    assert run(data_dir) == 1
    printed = capfd.readouterr().err
    for said in (str(caught.value), printed.strip()):
        assert message in said and "--renew" in said and "\n" not in said and len(said) < 900
    assert contents(data_dir.parent) == before


@pytest.mark.parametrize(("text", "message"), BAD.items(), ids=range(len(BAD)))
def test_a_damaged_manifest_is_refused_everywhere(folder, capfd, text, message):
    (folder / "imagenette.json").write_text(text, encoding="latin1")
    refused_everywhere(folder, f"imagenette.json is damaged ({message}", capfd)
    assert run(folder, "--renew") == 0
    datasets.load("imagenette", folder)


def change(data_dir: Path, files: dict) -> None:
    manifest = data_dir / "imagenette.json"
    content = json.loads(manifest.read_text())
    content["files"] |= files
    manifest.write_text(json.dumps(content))


@pytest.mark.parametrize(("key", "value"), BAD_ENTRIES)
def test_an_entry_that_is_none_is_named(folder, capfd, key, value):
    change(folder, {FILE: ENTRY | {key: value}})
    refused_everywhere(folder, f"files: '{FILE}': {key}: not", capfd)


@pytest.mark.parametrize("path", ["absent.JPEG", "../outside", "/etc/hostname", "a\nb", ""])
def test_a_manifest_of_files_that_are_not_there_is_refused(folder, capfd, path):
    change(folder, {path: ENTRY})
    said = " ".join(path.split())
    refused_everywhere(folder, f"{said} was there when the set was fetched, and is not", capfd)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_is_named_and_never_waited_for(folder, capfd, make):
    image = folder / FILE
    image.unlink()
    make(image)
    before = contents(folder)
    with pytest.raises(DataError, match=f"{image}"):
        datasets.load("imagenette", folder)
    assert run(folder) == 1 and str(image) in capfd.readouterr().err
    assert contents(folder) == before


@pytest.mark.parametrize("what", [FILE, "imagenette.json"])
def test_a_file_of_another_user_is_named(folder, monkeypatch, capfd, what):
    opened = Path.open

    def refuse(path, *arguments, **options):
        if path == folder / what:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert run(folder) == 1
    assert capfd.readouterr().err == f"error: cannot read {folder / what}: Permission denied\n"
    assert training(folder, folder / "run.json") == 1
    assert f"cannot read {folder / what}: Permission denied" in capfd.readouterr().err


@pytest.mark.parametrize("place", ["data", "elsewhere"])
def test_a_full_disk_leaves_no_half_manifest(tmp_path, monkeypatch, capfd, place):
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", small_sets.tiny_images())
    small_sets.write_folder(tmp_path / "data/imagenette2")
    write = fetch.write_atomically

    def on_full_disk(path: Path, *arguments) -> None:
        with monkeypatch.context() as patch:
            if path.parent.name == place:
                full = OSError(errno.ENOSPC, "No space left on device")
                patch.setattr(files_module.os, "fsync", lambda _: (_ for _ in ()).throw(full))
            write(path, *arguments)

    monkeypatch.setattr(fetch, "write_atomically", on_full_disk)
    manifest = tmp_path / "elsewhere/imagenette.json"
    assert run(tmp_path / "data", "--manifest", str(manifest)) == 1
    broken = tmp_path / place / "imagenette.json"
    said = capfd.readouterr().err
    assert said == f"error: cannot write {broken}: No space left on device\n"
    left = {path.name for path in (tmp_path / place).iterdir()}
    assert left == ({"imagenette2"} if place == "data" else set())


def test_a_reader_that_has_gone_costs_nothing(folder, tmp_path, monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert run(folder, "--manifest", str(tmp_path / "imagenette.json")) == 0
    assert (tmp_path / "imagenette.json").exists()


def test_ctrl_c_is_a_line_and_the_same_command_continues(folder, monkeypatch, capfd):
    def interrupted(*_):
        raise KeyboardInterrupt

    before = contents(folder)
    with monkeypatch.context() as patch:
        patch.setattr("svp_core.data.inspection.checksum", interrupted)
        assert run(folder) == 130
    assert capfd.readouterr().err == "interrupted\n"
    assert contents(folder) == before and run(folder) == 0


def test_no_other_file_is_taken_for_a_manifest_and_lost(tmp_path, capfd):
    record = tmp_path / "run.json"
    record.write_text('{"dataset": "digits"}')
    command = ["digits", "--data-dir", str(tmp_path), "--manifest"]
    assert fetch.main([*command, str(record)]) == 1
    assert f"{record} is damaged (files: not a mapping)" in capfd.readouterr().err
    assert record.read_text() == '{"dataset": "digits"}'
    for _ in range(2):
        assert fetch.main([*command, str(tmp_path / "digits.json")]) == 0
    assert "needs no files" in capfd.readouterr().out
