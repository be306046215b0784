"""Gram matrices of records become CKA between units and runs, and coordinates of PCA."""

import numpy as np
import pandas as pd
import pytest
import torch
from builders import completed, write_records
from sklearn.decomposition import PCA

from svp_core import tables
from svp_core.spectrum import gram
from svp_core.tables.representations import linear_cka, principal_coordinates, unpacked
from svp_core.training.evaluation import packed
from workflow.scripts import collect_representations

LABELS = [index % 3 for index in range(30)]


def features(seed: int, width: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scales = torch.arange(width, 0, -1)
    return scales * torch.randn(30, width, generator=generator) + 2


def test_a_gram_matrix_survives_its_record():
    found = unpacked(packed(gram(features(0))), 30)
    expected = gram(features(0)).numpy()
    assert found == pytest.approx(expected / np.abs(expected).max(), abs=1e-3)
    with pytest.raises(tables.TableError, match="465 numbers, not 1275"):
        unpacked(packed(gram(features(0))), 50)
    with pytest.raises(tables.TableError, match="representations.grams"):
        unpacked("no base64!", 30)


def test_cka_of_rotated_scaled_and_shifted_copies_is_one_and_of_orthogonal_features_zero():
    one = features(0)
    turned = 3 * one @ torch.linalg.qr(torch.randn(6, 6))[0] - 5
    assert linear_cka(gram(one).numpy(), gram(turned).numpy()) == pytest.approx(1)
    columns = torch.linalg.qr(features(1, 8) - features(1, 8).mean(dim=0))[0]
    first, second = gram(columns[:, :4]).numpy(), gram(columns[:, 4:]).numpy()
    assert linear_cka(first, second) == pytest.approx(0, abs=1e-9)
    assert np.isnan(linear_cka(np.zeros((3, 3)), np.eye(3)))


def test_cka_is_that_of_features():
    """|Y'X|^2 / (|X'X| |Y'Y|) of centred features, as Kornblith et al. write it."""
    x, y = (one - one.mean(dim=0) for one in (features(0).double(), features(1).double()))
    size = torch.linalg.norm
    expected = size(y.T @ x) ** 2 / (size(x.T @ x) * size(y.T @ y))
    assert linear_cka(gram(x).numpy(), gram(y).numpy()) == pytest.approx(expected.item())


def test_coordinates_are_those_of_pca():
    coordinates, explained = principal_coordinates(gram(features(0)).numpy())
    library = PCA(2).fit(features(0).double().numpy())
    expected = library.transform(features(0).double().numpy())
    expected /= np.abs(expected).max()
    for axis in range(2):
        signs = [np.abs(coordinates[:, axis] - sign * expected[:, axis]).max() for sign in (1, -1)]
        assert min(signs) < 1e-6
    assert explained == pytest.approx(library.explained_variance_ratio_.sum())


def with_units(seeds_of_units, labels=LABELS, **config) -> dict:
    """A record that keeps the representations of so many units."""
    kept = {"labels": labels, "grams": [packed(gram(features(one))) for one in seeds_of_units]}
    return completed([80.0] * len(seeds_of_units), **config) | {"representations": kept}


def collect(folder, records) -> dict[str, pd.DataFrame]:
    paths = write_records(folder, records)
    collect_representations.main([*paths, "--baseline", "bp", "--output-dir", str(folder)])
    return {name: tables.read(folder / f"{name}.csv", name) for name in ("cka", "pca")}


def test_units_are_compared_with_each_other_and_with_the_baseline_of_equal_seed(tmp_path):
    records = [
        with_units([0, 1], method="svp"),
        with_units([2, 0, 1], method="bp"),
        with_units([0, 1], method="svp", seed=1),  # without a baseline of this seed
        completed([80.0, 90.0], method="svp", seed=2),  # keeps nothing
    ]
    found = collect(tmp_path, records)
    cka = found["cka"]
    assert len(cka) == 4 + 9 + 6 + 4
    across = cka[cka["method"] != cka["other_method"]]
    assert set(across["other_method"]) == {"bp"} and set(across["seed"]) == {0}
    values = across.set_index(["unit", "other_unit"])["cka"]
    assert values[1, 2] == values[2, 3] == pytest.approx(1, abs=1e-4) and values[1, 1] < 0.9
    pca = found["pca"]
    assert len(pca) == 30 * (2 + 3) and set(pca["seed"]) == {0}
    assert pca.loc[pca["image"] == 2, "label"].eq(LABELS[1]).all()


def test_runs_on_other_images_are_not_compared(tmp_path):
    records = [with_units([0], labels=LABELS[::-1], method="svp"), with_units([0], method="bp")]
    cka = collect(tmp_path, records)["cka"]
    assert (cka["method"] == cka["other_method"]).all()


def test_records_without_representations_give_empty_tables(tmp_path):
    assert all(table.empty for table in collect(tmp_path, [completed([80.0, 90.0])]).values())


def test_a_damaged_record_is_named(tmp_path):
    record = with_units([0])
    record["representations"]["labels"] = LABELS[:-1]
    with pytest.raises(SystemExit, match="record_0.json: representations.grams: 465 numbers"):
        collect(tmp_path, [record])
    assert not (tmp_path / "cka.csv").exists()
