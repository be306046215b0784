"""Which images a run is trained and tested on: subsets, and images held out of the training."""

import json

import numpy as np
import pytest
import small_sets
import torch

from svp_core.config import resolve
from svp_core.config.pairs import ConfigError
from svp_core.data import streaming
from svp_core.data.loading import load_images, stratified
from svp_core.train import main

CPU = torch.device("cpu")


def test_a_subset_is_stratified_fixed_and_nested():
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    labels = labels[np.random.default_rng(0).permutation(1000)]
    chosen = stratified(labels, 100)
    assert np.bincount(labels[chosen]).tolist() == [60, 30, 10]
    assert len(set(chosen)) == 100 and (np.diff(chosen) > 0).all()
    assert set(stratified(labels, 40)) < set(chosen)
    assert sorted(labels[stratified(labels, 3)]) == [0, 1, 2]
    assert np.array_equal(stratified(labels, 100), chosen)
    assert np.array_equal(stratified(labels, 1000), np.arange(1000))


def config(dataset: str = "digits", **recipe) -> dict:
    run = {"dataset": dataset, "model": "mlp", "method": "svp", "seed": 0}
    return resolve(run | {"recipe": recipe})


def test_a_config_chooses_the_training_images_only(tmp_path):
    train, test = load_images(config(train_images=100), tmp_path, CPU)
    everything, _ = load_images(config(), tmp_path, CPU)
    assert (len(train), len(everything), len(test)) == (100, 1257, 540)
    assert torch.bincount(train.labels).tolist() == [10] * 10


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"train_images": 9}, "recipe.train_images: 9 is not from 10 classes to 1257 images"),
        ({"train_images": 1258}, "recipe.train_images: 1258 is not from"),
        ({"train_images": 0}, "recipe.train_images: 0 is less than"),
        ({"validation_images": 0}, "recipe.validation_images: 0 is less than the minimum of 1"),
        (
            {"validation_images": 1},
            "recipe.validation_images: 1 beside 1257 to train on exceed the 1257 images; set train",
        ),
        (
            {"train_images": 1000, "validation_images": 258},
            "recipe.validation_images: 258 beside 1000 to train on exceed the 1257 images",
        ),
        ({"train_images": 50, "batch_size": 51}, "recipe.batch_size: 51 exceeds the 50 images"),
        ({"augmentation": ["rotate"]}, "recipe.augmentation.*'rotate' is not one of"),
        ({"augmentation": ["flip", "flip"]}, "recipe.augmentation.*non-unique"),
    ],
)
def test_impossible_recipes_are_refused(recipe, message):
    with pytest.raises(ConfigError, match=message):
        config(**recipe)


def pictures(images) -> set[bytes]:
    return {one.numpy().tobytes() for one in images.images}


@pytest.mark.parametrize("count", [300, 857])  # the latter are all that are left
def test_validation_images_are_held_out_of_the_training_images(tmp_path, count):
    everything, test = load_images(config(), tmp_path, CPU)
    plain, _ = load_images(config(train_images=400), tmp_path, CPU)
    recipe = {"train_images": 400, "validation_images": count}
    train, held_out = load_images(config(**recipe), tmp_path, CPU)
    assert torch.equal(train.images, plain.images) and torch.equal(train.labels, plain.labels)
    assert len(held_out) == count and len(pictures(held_out)) == count
    assert not pictures(held_out) & (pictures(train) | pictures(test))
    assert pictures(held_out) <= pictures(everything)
    share = torch.bincount(everything.labels) * count / len(everything)
    assert (torch.bincount(held_out.labels) - share).abs().max() <= 1
    _, same = load_images(config(**recipe), tmp_path, CPU)
    assert torch.equal(same.images, held_out.images)  # the same for every run


def test_validation_changes_what_a_run_is_tested_on_and_not_how_it_is_trained(tmp_path):
    settings = ["dataset=digits", "model=mlp", "method=svp", "seed=0", "recipe.epochs=2"]
    settings += ["model_options.width=16", "recipe.train_images=400", "recipe.lr=0.01"]
    losses, right = [], []
    for name, added, tested in (("plain", [], 540), ("held", ["recipe.validation_images=7"], 7)):
        output = tmp_path / f"{name}.json"
        assert main([*settings, *added, "--output", str(output), "--threads", "1"]) == 0
        record = json.loads(output.read_text())
        losses.append([entry["unit_loss"] for entry in record["curves"]])
        right.append(record["test_accuracy"] / 100 * tested)
    assert losses[0] == losses[1]
    assert right == pytest.approx([round(one) for one in right]) and 0 < right[1]


@pytest.fixture(params=["folder", "shards"])
def files(request, tmp_path, monkeypatch):
    """A data folder with a tiny Imagenette, read without workers."""
    monkeypatch.setattr(streaming, "workers", lambda: 0)
    return small_sets.fetched_imagenette(tmp_path, request.param, monkeypatch)


def streamed(data_dir, **recipe) -> list[streaming.StreamedImages]:
    wanted = {"train_images": None, "validation_images": None, "augmentation": []} | recipe
    return load_images({"dataset": "imagenette", "recipe": wanted}, data_dir, CPU)


def test_a_streamed_subset_is_stratified_and_stays_itself(files):
    train, _ = streamed(files, train_images=6)
    assert len(train) == 6
    labels = torch.cat([labels for _, labels in train.in_order(4)])
    assert labels.tolist() == train.files.labels.tolist() == [0, 0, 1, 1, 2, 2]
    chosen = [{sample.index for sample in train.files.samples(seed)} for seed in (None, 0, 1)]
    assert chosen[0] == chosen[1] == chosen[2] and len(chosen[0]) == 6
    smaller = train.files.subset(np.array([0, 3]))
    assert [sample.label for sample in smaller.samples(None)] == [0, 1]


def test_streamed_validation_images_are_held_out_as_well(files):
    plain, _ = streamed(files, train_images=6)
    train, held_out = streamed(files, train_images=6, validation_images=9)
    chosen = [[one.index for one in part.files.samples(None)] for part in (plain, train, held_out)]
    assert chosen[0] == chosen[1] and len({*chosen[1], *chosen[2]}) == 15
    labels = torch.cat([labels for _, labels in held_out.in_order(4)])
    assert labels.tolist() == held_out.files.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    everything, _ = streamed(files)
    (whole, _), (parts, _) = (next(one.in_order(24)) for one in (everything, held_out))
    assert torch.equal(parts, whole[chosen[2]])  # of the training split, not of the test split
