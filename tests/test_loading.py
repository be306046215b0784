"""Batches: order, normalisation, augmentation, and images that stream from files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_sets
import torch

from svp_core import datasets, fetch
from svp_core.data import image_files, streaming
from svp_core.data.augmentation import crop, cutout, flip
from svp_core.data.files import DataError
from svp_core.data.loading import ResidentImages, load_images
from svp_core.data.streaming import StreamedImages
from svp_core.datasets import Facts, Split
from svp_core.seeds import derive
from svp_core.train import main

CPU, ALL = torch.device("cpu"), ["crop", "flip", "cutout"]
FACTS = Facts(10, (3, 16, 16), 50, 50, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), "MIT", "https://")


def resident(augmentation=(), count: int = 50) -> ResidentImages:
    images = small_sets.pixels(count, 3, 16, 16)
    return ResidentImages(Split(images, np.arange(count)), FACTS, CPU, augmentation)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_batches_are_normalised_and_in_the_order_of_seed_and_epoch():
    images = resident()
    order = torch.randperm(50, generator=generator(derive(3, "order", 2)))
    expected = (images.images / 255 - torch.tensor(FACTS.mean)[:, None, None]) / torch.tensor(
        FACTS.std
    )[:, None, None]
    batches = list(images.shuffled(12, seed=3, epoch=2))
    assert [len(labels) for _, labels in batches] == [12] * 4  # the incomplete fifth is dropped
    assert torch.equal(torch.cat([labels for _, labels in batches]), order[:48])
    torch.testing.assert_close(torch.cat([batch for batch, _ in batches]), expected[order[:48]])


def test_evaluation_sees_every_image_once_and_as_it_is():
    images = resident(ALL)
    plain = list(resident().in_order(12))
    assert [len(labels) for _, labels in plain] == [12, 12, 12, 12, 2]
    for one, other in zip(images.in_order(12), plain, strict=True):
        assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])
    assert plain[-1][1].tolist() == [48, 49]


def epoch(images, seed: int = 0, number: int = 1, batch_size: int = 10):
    parts = list(zip(*images.shuffled(batch_size, seed, number), strict=True))
    return torch.cat(parts[0]), torch.cat(parts[1])


def test_augmentation_depends_on_seed_and_epoch_alone_and_leaves_the_order():
    images = resident(ALL)
    torch.manual_seed(1)
    pictures, labels = epoch(images)
    torch.manual_seed(2)
    assert torch.equal(epoch(images)[0], pictures)
    assert torch.equal(epoch(resident())[1], labels)
    assert not torch.equal(epoch(images, number=2)[0], pictures)
    assert not torch.equal(epoch(images, seed=1)[0], pictures)


def test_every_seed_and_epoch_augments_differently():
    images = ResidentImages(
        Split(np.repeat(small_sets.pixels(1, 3, 16, 16), 50, axis=0), np.arange(50)),
        FACTS,
        CPU,
        ALL,
    )
    first = epoch(images)[0]
    assert len({picture.numpy().tobytes() for picture in first}) > 40
    for other in (epoch(images, seed=1)[0], epoch(images, number=2)[0]):
        assert not torch.equal(other, first)


def test_crop_takes_every_window_of_the_reflected_image():
    images = torch.from_numpy(small_sets.pixels(400, 2, 16, 24)).float()
    cropped, places = crop(images, generator()), set()
    for image, result in zip(images, cropped, strict=True):
        padded = np.pad(image.numpy(), ((0, 0), (2, 2), (3, 3)), mode="reflect")
        windows = {
            (top, left): padded[:, top : top + 16, left : left + 24]
            for top in range(5)
            for left in range(7)
        }
        matches = [place for place, window in windows.items() if (window == result.numpy()).all()]
        assert len(matches) == 1
        places.update(matches)
    assert len(places) == 35


def test_flip_mirrors_half_of_the_images():
    images = torch.from_numpy(small_sets.pixels(400, 1, 4, 5)).float()
    flipped = flip(images, generator())
    is_mirrored = (flipped == images.flip(3)).flatten(1).all(dim=1)
    assert 160 < is_mirrored.sum() < 240
    assert torch.equal(flipped[~is_mirrored], images[~is_mirrored])


def test_cutout_hides_one_square_of_a_quarter_of_the_side():
    hidden = cutout(torch.ones(400, 3, 32, 40), generator()) == 0
    assert (hidden.sum(dim=(1, 2, 3)) == 3 * 8 * 8).all()
    rows, columns = hidden[:, 0].any(dim=2), hidden[:, 0].any(dim=1)
    assert (rows.sum(1) == 8).all() and (columns.sum(1) == 8).all()
    assert rows.any(0).all() and columns.any(0).all()  # no place is spared


@pytest.fixture(params=["folder", "shards"])
def files(request, tmp_path, monkeypatch):
    """A data folder with a tiny Imagenette, read by two workers."""
    monkeypatch.setattr(streaming, "workers", lambda: 2)
    return small_sets.fetched_imagenette(tmp_path, request.param, monkeypatch)


def streamed(data_dir, **recipe) -> list[StreamedImages]:
    wanted = {"train_images": None, "validation_images": None, "augmentation": []} | recipe
    return load_images({"dataset": "imagenette", "recipe": wanted}, data_dir, CPU)


def test_streamed_images_do_not_depend_on_the_number_of_workers(files, monkeypatch):
    train, test = streamed(files, augmentation=ALL)
    pictures, labels = epoch(train, batch_size=5)
    assert pictures.shape == (20, 3, 16, 16) and pictures.dtype == torch.float32
    evaluated = torch.cat([batch for batch, _ in test.in_order(4)])
    assert len(evaluated) == 6
    state = torch.random.get_rng_state()
    for count in (0, 1):
        monkeypatch.setattr(streaming, "workers", lambda count=count: count)
        assert torch.equal(epoch(train, batch_size=5)[0], pictures)
        assert torch.equal(torch.cat([batch for batch, _ in test.in_order(4)]), evaluated)
    assert torch.equal(torch.random.get_rng_state(), state)  # that of the training is untouched


def test_skipped_batches_change_nothing_in_those_after_them(files):
    train, _ = streamed(files, augmentation=ALL)
    for images in (resident(ALL), train):
        whole = list(images.shuffled(5, seed=0, epoch=1))
        for skipped in (1, len(whole) - 1, len(whole)):
            rest = list(images.shuffled(5, seed=0, epoch=1, skipped=skipped))
            assert len(rest) == len(whole) - skipped
            for one, other in zip(rest, whole[skipped:], strict=True):
                assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


def test_skipped_images_are_not_decoded(files, monkeypatch):
    decoded = []
    monkeypatch.setattr(streaming, "workers", lambda: 0)
    monkeypatch.setattr(
        streaming,
        "decode",
        lambda sample, decode=streaming.decode: decoded.append(1) or decode(sample),
    )
    list(streamed(files)[0].shuffled(5, seed=0, epoch=1, skipped=3))
    assert len(decoded) == 5  # the fourth batch; the last images fill none


def test_streamed_images_are_shuffled_by_seed_and_epoch(files):
    train, _ = streamed(files)
    orders = [
        tuple(sample.index for sample in train.files.samples(seed)) for seed in (None, 0, 0, 1)
    ]
    assert orders[0] == tuple(range(24)) and orders[1] == orders[2]
    assert len({*orders}) == 3 and all(sorted(order) == [*range(24)] for order in orders)
    assert not torch.equal(epoch(train)[0], epoch(train, number=2)[0])
    assert not torch.equal(epoch(train)[0], epoch(train, seed=1)[0])


def test_streamed_images_are_cropped_for_training_only(files):
    plain, _ = streamed(files)
    cropped, _ = streamed(files, augmentation=["crop"])
    assert torch.equal(epoch(plain)[1], epoch(cropped)[1])
    assert not torch.equal(epoch(plain)[0], epoch(cropped)[0])
    for (one, _), (other, _) in zip(plain.in_order(8), cropped.in_order(8), strict=True):
        assert torch.equal(one, other)


def test_every_streamed_image_has_a_crop_of_its_own(files, monkeypatch):
    train, _ = streamed(files, augmentation=["crop"])
    seen = []
    monkeypatch.setattr(train, "read", lambda tasks, *_, **__: seen.extend(tasks) or [])
    for number in (1, 2):
        list(train.shuffled(8, seed=0, epoch=number))
    assert len({seed for _, seed in seen}) == 48


def test_shards_and_folders_give_the_same_images(tmp_path, monkeypatch):
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", small_sets.tiny_images())
    monkeypatch.setattr(streaming, "workers", lambda: 0)
    batches = []
    for write, name in ((small_sets.write_folder, "a"), (small_sets.write_shards, "b")):
        write(tmp_path / name / "imagenette")
        fetch.fetch("imagenette", tmp_path / name)
        batches.append(list(streamed(tmp_path / name)[0].in_order(24))[0])
    assert torch.equal(batches[0][0], batches[1][0])
    assert torch.equal(batches[0][1], batches[1][1])


def an_image_file(folder: Path) -> Path:
    return sorted(p for p in folder.rglob("*") if p.suffix in (".JPEG", ".parquet"))[0]


def test_a_flipped_bit_stops_the_stream_and_is_named(files):
    path = an_image_file(files)
    small_sets.damage(path, "flipped")
    with pytest.raises(DataError, match=f"{path} is not the file that was fetched") as caught:
        list(streamed(files)[0].in_order(8))
    assert "Traceback" not in str(caught.value)


def test_a_file_that_a_manifest_calls_right_and_is_no_whole_image_is_named(files, monkeypatch):
    small = small_sets.jpeg(0)
    path = files / "imagenette2-tiny/train/n02102040/n02102040_09.JPEG"
    where = str(path)
    if not path.exists():
        shard = files / "imagenette/train/0001.parquet"
        rows = small_sets.encoded(8, "train")[8:16]
        rows[1] = (*rows[1][:2], small[: len(small) // 2])
        small_sets.write_shard(shard, rows)
        where = f"{shard} row 1"
    else:
        path.write_bytes(small[: len(small) // 2])
    with monkeypatch.context() as blind:
        blind.setattr("svp_core.data.decoding.decode_rgb", lambda data: None)
        fetch.fetch("imagenette", files, renew=True)
    with pytest.raises(DataError, match=f"{where} is no whole image"):
        list(streamed(files)[0].in_order(8))


def test_a_streamed_run_is_deterministic_and_stops_at_a_wrong_file(files, tmp_path, capsys):
    settings = ["dataset=imagenette", "model=cnn", "method=svp", "seed=0", "recipe.epochs=2"]
    settings += ["recipe.batch_size=8", f"recipe.augmentation={ALL}", "model_options.width=4"]
    records = []
    for name in ("one", "other"):
        output = tmp_path / f"{name}.json"
        command = [*settings, "--data-dir", str(files), "--output", str(output), "--threads", "1"]
        assert main(command) == 0
        records.append(json.loads(output.read_text()))
        output.unlink()
    losses = [[entry["unit_loss"] for entry in record["curves"]] for record in records]
    assert losses[0] == losses[1] and len(losses[0]) == 2
    path = an_image_file(files)
    small_sets.damage(path, "flipped")
    image_files.require_digest.cache_clear()  # as in another process
    assert main(command) == 1
    printed = capsys.readouterr().err
    assert str(path) in printed and "Traceback" not in printed and not output.exists()


def test_facts_decide_the_size_of_streamed_images(files, monkeypatch):
    larger = replace(small_sets.tiny_images(), shape=(3, 24, 24))
    monkeypatch.setattr("svp_core.datasets.imagenette.FACTS", larger)
    assert datasets.facts("imagenette").shape == (3, 24, 24)
    for images in streamed(files, augmentation=["crop"]):
        assert next(images.in_order(4))[0].shape == (4, 3, 24, 24)
