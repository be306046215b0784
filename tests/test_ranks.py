"""Ranks over cells: who takes part, the test, and the critical difference of the literature."""

import pandas as pd
import pytest
from made_costs import texts

from figures import ranks

ACCURACY = {  # by model: methods from the best to the worst
    "mlp": ["bp", "sff", "dfa"],
    "cnn": ["bp", "dfa", "sff"],
    "vit": ["bp", "sff", "dfa"],
    "vgg": ["sff", "bp", "dfa"],
}


def table(order=ACCURACY, **changes) -> pd.DataFrame:
    rows = [
        {"dataset": "digits", "model": model, "method": method, "variant": "default"}
        | {"seed": seed, "status": "completed", "test_accuracy": 99.0 - place + 0.1 * seed}
        for model, methods in order.items()
        for place, method in enumerate(methods)
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows).assign(**changes)


def test_mean_ranks_are_those_of_the_cells():
    found = ranks.ranks(table()).mean(axis=1)
    assert [method for method, _ in found.index] == ["bp", "sff", "dfa"]
    assert list(found) == [1.25, 2.0, 2.75]


@pytest.mark.parametrize(("series", "expected"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_the_table_of_demsar(series, expected):
    for cells in (5, 14):
        known = expected * (series * (series + 1) / (6 * cells)) ** 0.5
        assert ranks.critical_difference(series, cells) == pytest.approx(known, abs=2e-3)


def test_a_series_that_lacks_a_cell_takes_no_part_and_is_counted():
    runs = table()
    is_absent = (runs["method"] == "dfa") & (runs["model"] == "vgg")
    more = table({model: ["svp"] for model in ACCURACY})
    whole = pd.concat([runs[~is_absent], more])
    assert {method for method, _ in ranks.ranks(whole).index} == {"bp", "sff", "svp"}
    assert "1 without a completed run in every cell" in " ".join(texts(ranks.draw(whole)).split())


def test_the_figure_has_a_mean_a_series_and_a_band_from_the_best():
    figure = ranks.draw(table())
    axes = figure.axes[0]
    means = [one.get_offsets()[0][0] for one in axes.collections[1::2]]
    assert means == [1.25, 2.0, 2.75]
    (band,) = axes.patches
    assert band.get_x() == 1.25
    assert band.get_width() == pytest.approx(ranks.critical_difference(3, 4))
    assert axes.get_title() == "4 cells: critical difference 1.7, p = 0.11"
    assert ranks.describe(table()).startswith(
        "Mean ranks over 4 cells: critical difference 1.7; BP"
    )


def test_a_model_whose_cells_more_series_have_has_a_panel_of_its_own():
    datasets = ["digits", "mnist", "fashion_mnist"]
    whole = [table({"mlp": ACCURACY["mlp"]}, dataset=name) for name in datasets]
    only = [table({"mlp": ["bp", "pepita"]}, dataset=name) for name in datasets]
    only = [one[one["method"] == "pepita"] for one in only]
    runs = pd.concat([*whole, table({"vit": ACCURACY["vit"]}), *only])
    assert {name: part.shape for name, part in ranks.panels(runs).items()} == {
        "all": (3, 4),
        "MLP": (4, 3),
    }
    figure = ranks.draw(runs)
    assert [axes.get_title().split(":")[0] for axes in figure.axes] == ["4 cells", "MLP, 3 cells"]
    assert "without" not in texts(figure)
    assert "Mean ranks over 3 cells of MLP: critical difference" in ranks.describe(runs)


def test_too_few_cells_are_said():
    assert "Ranks need 3 series" in texts(ranks.draw(table({"mlp": ACCURACY["mlp"]})))
    assert ranks.describe(table({"mlp": ACCURACY["mlp"]})) == ""
