"""Runs are summarised over seeds, with Student intervals and differences to a baseline."""

import math

import pandas as pd
import pytest
from builders import completed, diverged, record, write_records

from svp_core import tables
from workflow.scripts import collect_runs, summarise


def write_summary(folder, baseline="bp"):
    """Summarise the runs in a folder there."""
    summarise.main([str(folder / "runs.csv"), "--baseline", baseline, "--output-dir", str(folder)])


def summary_of(tmp_path, records, baseline="bp"):
    """Collect and summarise records; the summary indexed by method and variant."""
    output = tmp_path / "tables"
    collect_runs.main([*write_records(tmp_path, records), "--output-dir", str(output)])
    write_summary(output, baseline)
    return tables.read(output / "summary.csv", "summary").set_index(["method", "variant"])


def pairs_of_seeds():
    """bp and svp with three seeds; svp is 1, 2 and 3 points worse."""
    return [completed([90.0 + seed], method="bp", seed=seed) for seed in range(3)] + [
        completed([70.0, 89.0], method="svp", seed=seed) for seed in range(3)
    ]


def test_the_summary_has_the_columns_of_the_glossary(tmp_path):
    summary_of(tmp_path, pairs_of_seeds())
    header = (tmp_path / "tables" / "summary.csv").read_text().splitlines()[0]
    assert header == ",".join(tables.columns("summary"))


def test_interval_is_student_t(tmp_path):
    row = summary_of(tmp_path, pairs_of_seeds()).loc["bp", "default"]
    # mean 91, standard deviation 1, n 3; the 97.5 % quantile of t with 2 degrees of freedom
    half = 4.302652729911275 / math.sqrt(3)
    assert (row["n"], row["diverged"], row["mean"]) == (3, 0, 91.0)
    assert row[["low", "high"]].tolist() == pytest.approx([91 - half, 91 + half])


def test_differences_to_bp_are_paired_by_seed(tmp_path):
    summary = summary_of(tmp_path, pairs_of_seeds()[1:])  # seed 0 of bp is missing
    row = summary.loc["svp", "default"]
    assert (row["n"], row["pairs"], row["paired_difference"]) == (3, 2, -2.5)
    half = 12.706204736174698 * 0.5  # standard deviation sqrt(1/2), n 2
    assert row["paired_difference_low"] == pytest.approx(-2.5 - half)
    assert row["paired_difference_high"] == pytest.approx(-2.5 + half)


def test_any_method_may_be_the_baseline(tmp_path):
    names = {"bp": "sgd_bp", "svp": "dfa"}
    records = pairs_of_seeds()
    for one in records:
        one["config"]["method"] = names[one["config"]["method"]]
    summary = summary_of(tmp_path, records, "sgd_bp")
    assert set(summary["baseline"]) == {"sgd_bp"}
    assert summary.loc[("dfa", "default"), "paired_difference"] == -2.0
    assert pd.isna(summary.loc[("sgd_bp", "default"), "pairs"])
    assert "difference to sgd_bp" in (tmp_path / "tables" / "summary.md").read_text()


def test_without_the_baseline_there_are_no_differences(tmp_path):
    summary = summary_of(tmp_path, pairs_of_seeds(), "sll")
    assert summary["paired_difference"].isna().all()
    assert set(summary["pairs"]) == {0}


def test_bp_itself_has_no_difference_but_its_variants_have(tmp_path):
    variant = completed([91.0], method="bp", variant="wide")
    summary = summary_of(tmp_path, [*pairs_of_seeds(), variant])
    paired = [name for name in summary if name.startswith("pair")]
    assert summary.loc[("bp", "default"), paired].isna().all()
    assert summary.loc[("bp", "wide"), "paired_difference"] == 1.0
    assert math.isnan(summary.loc[("bp", "wide"), "paired_difference_low"])


def test_a_variant_is_compared_with_bp_of_the_same_variant(tmp_path):
    wide = [completed([97.5], method="bp", variant="wide"), completed([96.5], variant="wide")]
    lone = completed([88.0], variant="lone")
    summary = summary_of(tmp_path, [*pairs_of_seeds(), *wide, lone])
    assert summary.loc[("svp", "wide"), "paired_difference"] == -1.0
    assert summary.loc[("svp", "lone"), "paired_difference"] == -2.0  # of bp, default: 90


def test_one_seed_has_no_interval_and_none_no_mean(tmp_path):
    summary = summary_of(tmp_path, [record(), diverged(variant="a"), diverged(seed=1)])
    assert summary.loc[("svp", "default"), ["n", "diverged", "mean"]].tolist() == [1, 1, 90.0]
    assert summary.loc[("svp", "a"), ["n", "diverged", "pairs"]].tolist() == [0, 1, 0]
    assert summary[["low", "high"]].isna().all(axis=None)
    assert math.isnan(summary.loc[("svp", "a"), "mean"])


def test_equal_seeds_have_an_interval_of_no_width(tmp_path):
    row = summary_of(tmp_path, [record(), record(seed=1)]).loc["svp", "default"]
    assert row[["low", "mean", "high"]].tolist() == [90.0, 90.0, 90.0]


def test_markdown_is_readable(tmp_path):
    summary_of(tmp_path, [*pairs_of_seeds(), diverged(seed=3)])
    lines = (tmp_path / "tables" / "summary.md").read_text().splitlines()
    assert "| 91.00 [88.52, 93.48] | –" in lines[2]
    assert "| 3 | 1        | 89.00 [89.00, 89.00] | -2.00 [-4.48, +0.48] |" in lines[3]
    assert "95 % Student t interval" in lines[-2]


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        (
            "test_accuracy",
            "9999",
            "column test_accuracy: more than 100 .9999.0., in the row of",
        ),
        ("test_accuracy", "-1", "column test_accuracy: less than 0"),
        ("test_accuracy", "", "column test_accuracy: empty, but the run is completed"),
        ("status", "diverged", "column test_accuracy: there, but the run diverged"),
        ("status", "done", "column status: not a value of it .done."),
        ("train_seconds", "-0.5", "column train_seconds: less than 0"),
        ("train_seconds", "inf", "column train_seconds: more than inf"),
        ("tensor_bytes", "-1", "column tensor_bytes: less than 1"),
        ("dataset", "", "column dataset: empty, in the row of mlp, svp"),
    ],
)
def test_a_cell_that_cannot_be_is_named_by_its_column_and_row(tmp_path, column, cell, message):
    collect_runs.main([*write_records(tmp_path, [record()]), "--output-dir", str(tmp_path)])
    path = tmp_path / "runs.csv"
    runs = pd.read_csv(path, dtype=str, keep_default_na=False)
    runs[column] = cell
    runs.to_csv(path, index=False)
    with pytest.raises(SystemExit, match=f"error: {path}: {message}"):
        write_summary(tmp_path)
    assert not (tmp_path / "summary.csv").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "runs.csv: not a CSV table"),
        ("dataset,model\nmnist,mlp\n", "runs.csv: missing column method, variant"),
        (
            ",".join([*tables.columns("runs"), "options.lr"]) + "\n",
            "runs.csv: unknown column options.lr",
        ),
        (",".join(tables.columns("runs")), "runs.csv: no rows"),
        (
            ",".join(tables.columns("runs")) + "\na,b,c,d,zero" + "," * 16,
            "runs.csv: column seed: .*zero",
        ),
    ],
)
def test_wrong_table_names_the_file_and_the_column(tmp_path, text, message):
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(SystemExit, match=message):
        write_summary(tmp_path)
