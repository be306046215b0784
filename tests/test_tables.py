"""Records become the tables of svp_core/tables/glossary.yaml, or a clear error."""

import errno
import json
import math
from pathlib import Path

import pandas as pd
import pytest
from builders import completed, diverged, epoch, record, write_records

from svp_core import tables
from svp_core.records import read_run
from svp_core.tables.contract import by_content
from workflow.scripts import collect_runs


def collect(tmp_path, records, *options):
    """Collect records; the folder of the tables."""
    output = tmp_path / "tables"
    collect_runs.main([*write_records(tmp_path, records), "--output-dir", str(output), *options])
    return output


def test_every_table_has_the_columns_of_the_glossary(tmp_path):
    output = collect(tmp_path, [record(), record(method="bp")])
    for table in ("curves", "metrics"):
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
    output = collect(tmp_path, [diverged(epochs=2), diverged(seed=1)])
    runs = pd.read_csv(output / "runs.csv")
    assert list(runs["status"]) == ["diverged", "diverged"]
    assert runs[["test_accuracy", "train_loss"]].isna().all(axis=None)
    assert list(pd.read_csv(output / "curves.csv")["train_loss"].isna()) == [False, True, True]
    assert tables.read(output / "metrics.csv", "metrics").empty


LOST = epoch(2, [80.0, 90.0]) | {"unit_loss": [None, 0.1]}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (record(curves=[]), "epochs: 2, but curves has 0"),
        (record(epochs=40), "epochs: 40, but curves has 2"),
        (record(recipe={"epochs": 3}), "status: completed after 2 epochs, config.recipe.epochs"),
        (record(curves=[epoch(1, [1.0, 90.0]), LOST]), "status: completed, but the last unit_loss"),
        (record(curves=[LOST | {"epoch": 1}, epoch(2, [80.0, 90.0])]), "curves[0].unit_loss: null"),
        (record(curves=[epoch(2, [1.0])] * 2), "curves: the epochs are not 1, 2, 3"),
        (record(curves=[epoch(1, [1.0]), epoch(2, [80.0, 90.0])]), "curves: 1 and 2 units"),
        (record(test_accuracy=89.0), "test_accuracy: 89.0, but 90.0 after the last epoch"),
        (record(status="diverged", test_accuracy=None, metrics={}), "status: diverged, but"),
        (record(test_accuracy=9999), "test_accuracy: 9999 is greater than the maximum of 100"),
        (record(metrics={"unit_accuracy": [1.0], "ece": 1.5}), "metrics.ece: 1.5 is greater than"),
        (record(train_seconds=-1.0), "train_seconds: -1.0 is less than the minimum of 0"),
        (record(peak_memory_bytes=-1), "peak_memory_bytes: -1 is less than the minimum of 1"),
        (record(train_seconds=10**400), "not JSON: 10000000000000000000... is too large"),
        (record(parameters=1e30), "parameters: 1e+30 is not of type 'integer'"),
        (record(dataset="a\nb"), "config.dataset: 'a\\nb' does not match"),
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
    assert "mnist, mlp, svp, default: runs of different sources" in warnings[0]
    assert "0123456789ab, ba9876543210" in warnings[0]
    assert "different devices (CPU, GPU)" in warnings[1]


def test_unequal_budgets_are_warned_of(tmp_path, capsys):
    collect(tmp_path, [record(), record(method="bp", recipe={"epochs": 2, "lr": 1.0})])
    warnings = capsys.readouterr().err.splitlines()
    assert "mnist, mlp, default: runs of different recipes or sizes" in warnings[0]


def test_data_of_two_kinds_are_refused_unless_they_are_asked_for(tmp_path, capsys):
    records = [record(), record(method="bp")]
    for one, found in zip(records, ("0123456789ab", "ba9876543210"), strict=True):
        one["provenance"]["data_hash"] = found
    with pytest.raises(
        SystemExit, match="_0.json and .*_1.json: mnist of different files .data_ha"
    ):
        collect(tmp_path, records)
    assert not (tmp_path / "tables").exists()
    collect(tmp_path, records, "--keep-stale")
    assert "mnist: runs on different files" in capsys.readouterr().err


def test_records_that_agree_are_not_warned_of(tmp_path, capsys):
    other = record(method="bp")
    variant = record(variant="wide")  # of other parts, say
    for one in (other, variant):
        one["provenance"]["source_hash"] = "ba9876543210"
    collect(tmp_path, [record(), other, variant])
    assert capsys.readouterr().err == ""


def test_a_full_disk_leaves_the_old_tables_and_is_named(tmp_path, monkeypatch):
    output = collect(tmp_path, [record()])
    before = {path: path.read_bytes() for path in output.iterdir()}
    write = Path.write_bytes

    def fail(path, content):
        write(path, content[:9])
        if "curves" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(SystemExit) as error:
        collect(tmp_path, [record(seed=1)])
    assert str(error.value) == f"error: cannot write {output}/curves.csv: No space left on device"
    assert {path: path.read_bytes() for path in output.iterdir()} == before


def test_failed_write_leaves_the_old_files(tmp_path):
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(OSError):
        tables.write({tmp_path / "a.csv": b"new", tmp_path / "a.csv" / "b.csv": b"new"})
    assert (tmp_path / "a.csv").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_builders_make_valid_records(tmp_path):
    for content in (record(), completed([50.0, 60.0]), diverged()):
        [path] = write_records(tmp_path, [content])
        assert read_run(path) == json.loads(json.dumps(content))
