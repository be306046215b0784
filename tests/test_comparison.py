"""A run held against a reference: cells that differ are found, and what may explain it is named."""

import math

import pandas as pd
import pytest
from scipy import stats

from svp_core import tables
from svp_core.tables import comparison
from svp_core.tables.comparison import cells, compare, for_new_mean, origins, read_folder
from svp_core.tables.statistics import interval
from workflow.scripts import compare as script

REFERENCE = [90.0, 91.0, 92.0, 90.5, 91.5]  # mean 91, standard deviation sqrt(.625)


def runs(accuracies=REFERENCE, model="mlp", first_seed=0, **changes) -> pd.DataFrame:
    """Runs of a cell, a seed each; None diverged. Of text, as they are read."""
    names = {"dataset": "digits", "model": model, "method": "svp", "variant": "default"}
    origin = {"source_hash": "aa", "torch_version": "2.9", "threads": "1", "recipe.lr": "0.1"}
    return pd.DataFrame(
        [
            names
            | {"seed": str(first_seed + i), "test_accuracy": None if a is None else str(a)}
            | {"status": "diverged" if a is None else "completed"}
            | (origin | changes)
            for i, a in enumerate(accuracies)
        ]
    ).astype("str").replace({"None": None, "nan": None})  # fmt: skip


def compared(here: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """The table by model."""
    return tables.from_rows(compare(here, reference), "comparison").set_index("model")


@pytest.mark.parametrize(
    ("accuracies", "verdict"),
    [
        (REFERENCE, "equal"),
        (REFERENCE[::-1], "inside"),
        ([a + 1.2 for a in REFERENCE], "close"),
        ([a + 3 for a in REFERENCE], "outside"),
        ([a - 3 for a in REFERENCE], "outside"),
        ([None, *REFERENCE[1:]], "diverged"),
        ([91.0], "inside"),
    ],
)
def test_a_cell_has_the_verdict_of_its_mean(accuracies, verdict):
    assert compared(runs(accuracies), runs()).loc["mlp", "verdict"] == verdict


def test_the_interval_is_that_of_the_mean_of_new_seeds():
    """By hand: mean +- t(4) s sqrt(1/5 + 1/3)."""
    ((_, reference),) = cells(runs()).items()
    low, high = for_new_mean(reference, 3, 0.95)
    half = stats.t.ppf(0.975, 4) * math.sqrt(0.625) * math.sqrt(1 / 5 + 1 / 3)
    assert (low, high) == pytest.approx((91 - half, 91 + half))


def test_equal_trainings_are_seldom_outside():
    """Of new seeds of the same training the interval of the reference's mean misses many."""
    draws = stats.norm(90, 1).rvs((400, 2, 5), random_state=0)
    verdicts = [cell_verdict(*pair, first_seed=9) for pair in draws]
    outside, close = (verdicts.count(one) / len(verdicts) for one in ("outside", "close"))
    assert outside == pytest.approx(0.05, abs=0.03)
    assert outside + close == pytest.approx(0.12, abs=0.04)  # P(|t(4)| > 2.776 / sqrt(2))


def cell_verdict(here, reference, first_seed: int) -> str:
    """The verdict on one cell of these accuracies."""
    sides = []
    for values, first in ((here, first_seed), (reference, 0)):
        names = dict(zip(("mean", "low", "high"), interval(values), strict=True))
        by_seed = pd.Series(values, index=range(first, first + len(values)))
        sides.append(names | {"n": len(values), "diverged": 0, "by_seed": by_seed})
    return comparison.compared(*sides, 0.95)["verdict"]


def test_more_cells_ask_for_more():
    """What is outside alone may be expected once among twenty cells."""
    shifted = [a + 1.5 for a in REFERENCE]
    others = pd.concat([runs(model=f"m{i}") for i in range(19)])
    assert compared(runs(shifted), runs()).loc["mlp", "verdict"] == "outside"
    both = compared(pd.concat([others, runs(shifted)]), pd.concat([others, runs()]))
    assert both.loc["mlp", "verdict"] == "close" and both.loc["m0", "verdict"] == "equal"


def test_seeds_are_paired_where_they_agree():
    row = compared(runs([90.0, 92.0, 94.0]), runs()).loc["mlp"]
    assert (row["pairs"], row["equal"], row["difference"]) == (3, 1, 1.0)
    alone = compared(runs(first_seed=10), runs()).loc["mlp"]
    assert alone["pairs"] == 0 and alone["verdict"] == "inside"  # not equal: of other seeds


def test_cells_of_one_side_are_named_and_none_in_common_is_an_error():
    table = compared(pd.concat([runs(), runs(model="cnn")]), pd.concat([runs(), runs(model="vit")]))
    assert table["verdict"].to_dict() == {
        "mlp": "equal",
        "cnn": "not in the reference",
        "vit": "not here",
    }
    with pytest.raises(tables.TableError, match="no dataset, model, method and variant that both"):
        compared(runs(model="cnn"), runs())


def test_a_reference_of_one_seed_has_no_interval():
    assert compared(runs(), runs([91.0])).loc["mlp", "verdict"] == "no interval"
    assert compared(runs([91.0]), runs([91.0])).loc["mlp", "verdict"] == "equal"


def test_what_differs_is_named_with_its_cells():
    other = runs(threads="2", **{"recipe.lr": "0.2"})
    here = pd.concat([other, runs(model="cnn", threads="2")])
    found = list(origins(here, pd.concat([runs(), runs(model="cnn")])))
    cell = ("digits", "mlp", "svp", "default")
    assert found == [("threads", "2", "1", []), ("recipe.lr", "0.2", "0.1", [cell])]
    assert list(origins(runs(), runs().drop(columns="threads"))) == []


def write(folder, frame, name="runs.csv"):
    folder.mkdir(parents=True)
    frame.to_csv(folder / name, index=False)


def test_the_command_writes_tables_and_fails_for_what_differs(tmp_path, capsys):
    write(tmp_path / "reference/tables", runs())
    write(tmp_path / "same", runs())
    write(tmp_path / "other", runs([a + 3 for a in REFERENCE], threads="2"))
    output = ["--output-dir", str(tmp_path / "out")]
    script.main([str(tmp_path / "same"), str(tmp_path / "reference"), *output])
    assert "5 of 5" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="1 of 1 cells differ: digits/mlp/svp/default"):
        script.main([str(tmp_path / "other"), str(tmp_path / "reference"), *output])
    text = (tmp_path / "out/compare.md").read_text()
    assert "| outside |" in text and "| threads | 2    | 1         | all   |" in text
    table = tables.read(tmp_path / "out/compare.csv", "comparison")
    assert table["verdict"].tolist() == ["outside"]
    assert "\\begin{tabular}" in (tmp_path / "out/compare.tex").read_text()


def test_a_summary_serves_where_there_are_no_runs(tmp_path):
    ((_, cell),) = cells(runs()).items()
    names = {"dataset": "digits", "model": "mlp", "method": "svp", "variant": "default"}
    row = names | {"n": 5, "diverged": 0, "mean": 91.0, "low": cell["low"], "high": cell["high"]}
    write(tmp_path / "one", pd.DataFrame([row]), "summary.csv")
    row = compared(runs(), read_folder(tmp_path / "one")).loc["mlp"]
    assert row["verdict"] == "inside" and row["pairs"] == 0
    write(tmp_path / "two", pd.DataFrame([names]), "summary.csv")
    with pytest.raises(tables.TableError, match="summary.csv: missing column n, mean, low, high"):
        read_folder(tmp_path / "two")
    with pytest.raises(tables.TableError, match="nowhere: no runs.csv or summary.csv"):
        read_folder(tmp_path / "nowhere")
