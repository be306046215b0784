"""Records become the tables of svp_core/tables/glossary.yaml, or a clear error."""

import json
import math

import pandas as pd
import pytest
from builders import completed, diverged, epoch, record, write_records

from svp_core import tables
from svp_core.tables import records as run_records
from svp_core.tables.contract import by_content
from workflow.scripts import collect_runs, summarise


def collect(tmp_path, records):
    """Collect records; the folder of the tables."""
    output = tmp_path / "tables"
    collect_runs.main([*write_records(tmp_path, records), "--output-dir", str(output)])
    return output


def write_summary(folder, baseline="bp"):
    """Summarise the runs in a folder there."""
    summarise.main([str(folder / "runs.csv"), "--baseline", baseline, "--output-dir", str(folder)])


def summary_of(tmp_path, records, baseline="bp"):
    """Collect and summarise records; the summary indexed by method and variant."""
    output = collect(tmp_path, records)
    write_summary(output, baseline)
    return tables.read(output / "summary.csv", "summary").set_index(["method", "variant"])


def pairs_of_seeds():
    """bp and svp with three seeds; svp is 1, 2 and 3 points worse."""
    return [completed([90.0 + seed], method="bp", seed=seed) for seed in range(3)] + [
        completed([70.0, 89.0], method="svp", seed=seed) for seed in range(3)
    ]


def test_every_table_has_the_columns_of_the_glossary(tmp_path):
    output = collect(tmp_path, pairs_of_seeds())
    write_summary(output)
    for table in ("curves", "metrics", "summary"):
        header = (output / f"{table}.csv").read_text().splitlines()[0]
        assert header == ",".join(tables.columns(table))
    header = (output / "runs.csv").read_text().splitlines()[0]
    settings = "model_options.depth,model_options.width,recipe.batch_size,recipe.epochs"
    assert header == ",".join(tables.columns("runs")) + f",{settings}"


def test_run_row_holds_the_record(tmp_path):
    row = pd.read_csv(collect(tmp_path, [record()]) / "runs.csv").iloc[0]
    assert row["record"] == str(tmp_path / "record_0.json")
    assert (row["python_version"], row["torch_version"]) == ("3.11.7", "2.9.0+cpu")
    assert row["train_loss"] == record()["curves"][-1]["unit_loss"][-1]
    assert row["test_accuracy"] == 90.0
    assert math.isnan(row["git_commit"])


def test_settings_of_all_runs_are_columns_typed_by_what_they_hold(tmp_path):
    options = {"method_options": {"scale": 4, "shared": True, "alignment": "none", "d0": None}}
    recipe = {"recipe": {"lr": 0.003, "augmentation": ["crop", "flip"]}}
    plain = {"method_options": {"scale": 0.5}, "recipe": {"lr": 0.003, "augmentation": []}}
    output = collect(tmp_path, [record(**options, **recipe), record(**plain, method="bp")])
    runs = tables.read(output / "runs.csv", "runs").set_index("method")
    found = [name for name in runs if "." in name]
    assert found == [
        "model_options.depth", "model_options.width", "method_options.alignment",
        "method_options.d0", "method_options.scale", "method_options.shared",
        "recipe.augmentation", "recipe.lr",
    ]  # fmt: skip
    assert runs["method_options.scale"].to_dict() == {"bp": 0.5, "svp": 4.0}
    shared = runs["method_options.shared"]
    assert shared.dtype == "boolean" and shared["svp"] and pd.isna(shared["bp"])
    assert runs["recipe.augmentation"].to_dict() == {"bp": "none", "svp": "crop+flip"}
    assert runs["model_options.depth"].dtype == "Int64"
    assert runs["method_options.d0"].isna().all()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None], "Int64"),
        ([1, 0.5], "float64"),
        ([True, None], "boolean"),
        ([1, "x"], "str"),
        ([None], "str"),
    ],
)
def test_a_setting_has_the_same_type_in_memory_and_in_a_file(values, kind):
    made = by_content(pd.Series(values, dtype=object))
    written = pd.Series([None if v is None else str(v) for v in values], dtype="str")
    assert made.dtype == kind
    pd.testing.assert_series_equal(made, by_content(written))


def test_curves_and_metrics_hold_every_epoch(tmp_path):
    last = epoch(2, [80.0, 90.0]) | {"metrics": {"nll": 0.25, "unit_nll": [0.5, None]}}
    metrics = {"unit_accuracy": [80.0, 90.0], **last["metrics"], "ece": 0.01}
    output = collect(tmp_path, [record(curves=[epoch(1, [60.0, 70.0]), last], metrics=metrics)])
    assert list(pd.read_csv(output / "curves.csv")["test_accuracy"]) == [70.0, 90.0]
    table = tables.read(output / "metrics.csv", "metrics")
    assert set(table["units"]) == {2}
    rows = table[["epoch", "metric", "unit", "value"]].astype(object)
    assert rows.where(rows.notna(), None).to_numpy().tolist() == [
        [1, "unit_accuracy", 1, 60.0],
        [1, "unit_accuracy", 2, 70.0],
        [2, "ece", None, 0.01],
        [2, "nll", None, 0.25],
        [2, "unit_accuracy", 1, 80.0],
        [2, "unit_accuracy", 2, 90.0],
        [2, "unit_nll", 1, 0.5],
        [2, "unit_nll", 2, None],
    ]


def test_rows_are_sorted_and_bytes_do_not_depend_on_the_order_of_records(tmp_path):
    records = write_records(tmp_path, [record(seed=10), record(method="bp"), record(seed=9)])
    for name, order in (("first", records), ("second", records[::-1])):
        collect_runs.main([*order, "--output-dir", str(tmp_path / name)])
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()
    runs = pd.read_csv(tmp_path / "first" / "runs.csv")
    assert list(zip(runs["method"], runs["seed"], strict=True)) == [
        ("bp", 0),
        ("svp", 9),
        ("svp", 10),
    ]


def test_parquet_equals_csv(tmp_path):
    output = collect(tmp_path, [record(), diverged(seed=1)])
    pd.testing.assert_frame_equal(
        pd.read_parquet(output / "runs.parquet"), tables.read(output / "runs.csv", "runs")
    )


def test_diverged_run_is_kept_without_accuracy(tmp_path):
    output = collect(tmp_path, [diverged(epochs=2), diverged(epochs=0, seed=1)])
    runs = pd.read_csv(output / "runs.csv")
    assert list(runs["status"]) == ["diverged", "diverged"]
    assert runs[["test_accuracy", "train_loss"]].isna().all(axis=None)
    assert list(pd.read_csv(output / "curves.csv")["train_loss"].isna()) == [False, True]
    assert tables.read(output / "metrics.csv", "metrics").empty


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            record(curves=[epoch(1, [1.0]), epoch(0, [1.0])]),
            "curves[1].epoch: 0 is less than the minimum of 1",
        ),
        (record(test_accuracy=None), "test_accuracy: None is not of type 'number'"),
        (record(metrics={}), "metrics: 'unit_accuracy' is a required property"),
        (record(metrics={"unit_accuracy": [1.0], "nll": "low"}), "metrics.nll: 'low' is not"),
        (record(extra=1), "record: Additional properties are not allowed"),
        (record(train_seconds=math.nan), "not JSON: NaN is not a JSON number"),
    ],
)
def test_broken_record_is_named_and_no_table_changes(tmp_path, capsys, broken, message):
    output = collect(tmp_path, [record()])
    before = {path: path.read_bytes() for path in output.iterdir()}
    with pytest.raises(SystemExit) as error:
        collect(tmp_path, [record(seed=1), broken])
    assert str(error.value).startswith(f"error: {tmp_path / 'record_1.json'}: {message}")
    assert {path: path.read_bytes() for path in output.iterdir()} == before


def test_text_that_is_not_json_is_named(tmp_path):
    path = tmp_path / "half.json"
    path.write_text('{"config": ')
    with pytest.raises(SystemExit, match="half.json: not JSON"):
        collect_runs.main([str(path), "--output-dir", str(tmp_path)])


def test_two_records_of_one_run_are_refused(tmp_path):
    with pytest.raises(SystemExit, match="record_0.json and .*record_1.json: the same run"):
        collect(tmp_path, [record(), record()])


def test_a_row_that_stands_twice_is_named_in_one_line(tmp_path):
    path = collect(tmp_path, [record()]) / "curves.csv"
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    with pytest.raises(tables.TableError) as error:
        tables.read(path, "curves")
    assert str(error.value) == f"{path}: two rows of mnist, mlp, svp, default, 0, 2"


def test_mixed_sources_and_devices_are_warned_of(tmp_path, capsys):
    other = record(seed=1)
    other["provenance"]["source_hash"] = "ba9876543210"
    other["environments"][-1]["device"] = "GPU"
    collect(tmp_path, [record(), other])
    warnings = capsys.readouterr().err.splitlines()
    assert "mnist, mlp, svp: runs of different sources" in warnings[0]
    assert "0123456789ab, ba9876543210" in warnings[0]
    assert "different devices (CPU, GPU)" in warnings[1]


def test_unequal_budgets_and_data_are_warned_of(tmp_path, capsys):
    other = record(method="bp", recipe={"epochs": 9})
    other["provenance"]["data_hash"] = "ba9876543210"
    first = record()
    first["provenance"]["data_hash"] = "0123456789ab"
    collect(tmp_path, [first, other])
    warnings = capsys.readouterr().err.splitlines()
    assert "mnist, mlp, default: runs of different recipes or sizes" in warnings[0]
    assert "mnist: runs on different files" in warnings[1]


def test_records_that_agree_are_not_warned_of(tmp_path, capsys):
    other = record(method="bp")
    other["provenance"]["source_hash"] = "ba9876543210"
    collect(tmp_path, [record(), other])
    assert capsys.readouterr().err == ""


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


def test_failed_write_leaves_the_old_files(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(OSError):
        tables.write({tmp_path / "a.csv": b"new", tmp_path / "a.csv" / "b.csv": b"new"})
    assert (tmp_path / "a.csv").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_builders_make_valid_records(tmp_path):
    for content in (record(), completed([50.0, 60.0]), diverged()):
        [path] = write_records(tmp_path, [content])
        assert run_records.read(path, run_records.RUN_SCHEMA) == json.loads(json.dumps(content))
