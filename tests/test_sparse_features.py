"""Dictionaries of activations: what they can explain, which features are dead, which pure."""

import pandas as pd
import pytest
import torch

from figures import sparse_features as figure
from svp_core import sparse_features, tables
from svp_core.features.autoencoders import TopK, Variational, purity, quality, train

SETTINGS = ["dataset=digits", "model=mlp", "model_options.width=16", "model_options.depth=2"]
SETTINGS += ["recipe.epochs=1", "recipe.train_images=256", "--seeds", "1", "--steps", "20"]
SETTINGS += ["--times", "3"]


@pytest.fixture(scope="module")
def sparse() -> tuple[torch.Tensor, torch.Tensor]:
    """Activations that are sums of two of ten directions, and the first of the two."""
    torch.manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(10, 8), dim=1)
    chosen = torch.stack([torch.randperm(10)[:2] for _ in range(600)])
    strength = 1 + torch.rand(600, 2, 1)
    return (strength * directions[chosen]).sum(dim=1), chosen[:, 0]


@pytest.fixture(scope="module")
def found(sparse) -> TopK:
    dictionary = TopK(8, 4, 2)
    torch.manual_seed(0)
    train(dictionary, sparse[0][:500], 600)
    return dictionary


def test_a_dictionary_explains_what_is_sparse(found, sparse):
    values, labels = sparse
    result = quality(found, values[:500], values[500:], labels[500:])
    assert result["explained"] > 0.8 and 0 <= result["dead"] < 1
    features = found.encode(values)
    assert features.shape == (600, 32) and ((features > 0).sum(dim=1) <= 2).all()


def test_dead_features_are_those_that_nothing_activates(found, sparse):
    values, labels = sparse
    found = TopK(8, 4, 2)
    with torch.no_grad():
        found.encoder.weight[5:] = 0
        found.encoder.bias[5:] = -1
    assert quality(found, values, values, labels)["dead"] >= 27 / 32


def test_purity_is_the_share_of_the_main_class():
    features = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [2.0, 2.0, 0.0]])
    assert purity(features, torch.tensor([0, 1, 0])) == pytest.approx((1 + 3 / 4) / 2)


def test_the_variational_one_pays_for_what_it_tells(sparse):
    values, _ = sparse
    torch.manual_seed(0)
    free, dear = Variational(8, 4, 2, 0.0), Variational(8, 4, 2, 10.0)
    for one in (free, dear):
        train(one, values, 200)
    sizes = [one.encoder(values - one.decoder.bias).square().mean() for one in (free, dear)]
    assert sizes[1] < 0.3 * sizes[0]
    still = free.encode(values)
    assert torch.equal(still, free.encode(values))  # nothing is drawn where it is read


def test_the_divergence_is_that_of_two_gaussians(sparse):
    values, _ = sparse
    one = Variational(8, 4, 2, 1.0)
    torch.manual_seed(0)
    whole = one.loss(values)
    one.kl_weight = 0.0
    torch.manual_seed(0)
    paid = whole - one.loss(values)
    mean = one.encoder(values - one.decoder.bias)
    posterior = torch.distributions.Normal(mean, torch.tensor(-2.0).exp())
    prior = torch.distributions.Normal(0.0, 1.0)
    kl = torch.distributions.kl_divergence(posterior, prior).sum(dim=1).mean()
    torch.testing.assert_close(paid, kl / 8)


def test_the_command_writes_a_table_that_the_figure_draws(tmp_path):
    path = tmp_path / "sparse_features.csv"
    assert sparse_features.main([*SETTINGS, "--output", str(path)]) == 0
    table = tables.read(path, "sparse_features")
    counts = table.groupby(["method", "activation"]).size().to_dict()
    assert counts == {("bp", "h"): 6, ("svp", "h"): 6, ("svp", "v"): 6}
    assert (table["features"] == 3 * table["width"]).all()
    figure.main([str(path), "--png", str(tmp_path / "f.png"), "--pdf", str(tmp_path / "f.pdf")])
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert "top k" in figure.describe(table) and isinstance(table, pd.DataFrame)


def test_seeds_that_agree_are_drawn():
    """The mean of three equal numbers may be larger than they are."""
    same = {"explained": 0.7, "dead": 0.1, "purity": 0.3}
    place = {"dataset": "digits", "model": "mlp", "method": "svp", "unit": 1, "activation": "h"}
    place |= {"dictionary": "top_k", "kl_weight": float("nan")}
    table = pd.DataFrame([place | same | {"seed": seed} for seed in range(3)])
    assert table["dead"].mean() > 0.1
    assert len(figure.draw(table).axes) == 3


def test_a_wrong_setting_is_refused(tmp_path, capsys):
    output = tmp_path / "x.csv"
    assert sparse_features.main(["dataset=nothing", "model=mlp", "--output", str(output)]) == 1
    assert "dataset: 'nothing'" in capsys.readouterr().err and not output.exists()
