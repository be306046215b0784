"""Records of many trials become one row a setting, beside the baseline, for readers too."""

import json
import math
import os
import sys

import pandas as pd
import pytest
from builders import completed, diverged, record

from svp_core import tables
from svp_core.tables.statistics import interval
from workflow.scripts import trials


def run(method="svp", seed=0, accuracy=90.0, lr=0.001, recipe=None, **config):
    """A completed record of a rate."""
    recipe = {"epochs": 2, "batch_size": 64, "lr": lr} | (recipe or {})
    return completed([accuracy], method=method, seed=seed, recipe=recipe, **config)


def summarise(folder, capsys, found, *arguments):
    """What is printed of the records, and the table that is written."""
    for place, one in enumerate(found):
        path = folder / f"records/{place % 3}/{place}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(one if isinstance(one, str) else json.dumps(one))
    trials.main([str(folder / "records"), "--csv", str(folder / "trials.csv"), *arguments])
    return capsys.readouterr(), tables.read(folder / "trials.csv", "trials")


def header(printed):
    """The names of the columns for readers."""
    line = next(line for line in printed.out.splitlines() if line.startswith("| dataset"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def grid():
    """Two rates of bp, the second better, and of svp a scale besides, over three seeds."""
    found = []
    for seed in range(3):
        for lr, gain in ((0.001, 0), (0.01, 1)):
            one = run("bp", seed, 95 + seed + gain, lr)
            found.append(
                one
                | {
                    "tensor_bytes": 1000,
                    "activation_bytes": 600,
                    "train_flops": 500,
                    "train_seconds": 4,
                }
            )
            for scale in (1.0, 4.0):
                accuracy = 90 + gain + scale + 1.5 * seed
                one = run("svp", seed, accuracy, lr, method_options={"scale": scale})
                costs = {
                    "tensor_bytes": 400,
                    "activation_bytes": 150,
                    "train_flops": 450,
                    "train_seconds": 3,
                }
                found.append(one | costs)
    return found


def test_a_setting_is_a_row_beside_the_best_of_the_baseline(tmp_path, capsys):
    printed, table = summarise(tmp_path, capsys, grid())
    assert len(table) == 6 and table["place"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table["accuracy"].is_monotonic_decreasing
    assert table["method"].tolist() == ["bp", "svp", "bp", "svp", "svp", "svp"]
    assert set(zip(table["method"], table["trials"], strict=True)) == {("bp", 2), ("svp", 4)}
    best, svp, other = (table.iloc[place] for place in range(3))
    assert (svp["n"], svp["recipe.lr"], svp["method_options.scale"]) == (3, 0.01, 4)
    assert (best["recipe.lr"], other["recipe.lr"]) == (0.01, 0.001)
    found = (svp["difference"], svp["difference_low"], svp["difference_high"])
    assert found == pytest.approx(interval([-1, -0.5, 0]))
    assert math.isnan(best["difference"]) and other["difference"] == pytest.approx(-1)
    costs = svp[["relative_memory", "relative_flops", "relative_seconds"]]
    assert costs.tolist() == pytest.approx([0.4, 0.9, 0.75])
    assert "-0.50 [-1.74, +0.74]" in printed.out and "test accuracy (%)" in header(printed)


def test_what_differs_is_a_column_and_the_rest_stated_once(tmp_path, capsys):
    printed, table = summarise(tmp_path, capsys, grid())
    further = [name for name in table if name not in tables.columns("trials")]
    assert further == ["method_options.scale", "recipe.lr"]
    assert header(printed)[:5] == ["dataset", "model", "method", "scale", "lr"]
    stated = [line for line in printed.out.splitlines() if line.startswith("- ")]
    assert [line.split(":")[0] for line in stated] == ["- all", "- bp", "- mlp", "- svp"]
    assert "epochs 2" in stated[0] and "depth 2" in stated[2] and "beta 1" in stated[3]


def test_options_of_two_methods_that_are_called_alike_do_not_differ(tmp_path, capsys):
    found = [run(method, lr=lr) for method in ("bp", "svp") for lr in (0.1, 0.2)]
    _, table = summarise(tmp_path, capsys, found)  # both have an option `update`
    assert [name for name in table if "." in name] == ["recipe.lr"]


def test_validation_accuracies_are_called_so_and_apart(tmp_path, capsys):
    held_out = {"validation_images": 100}
    found = [run(method, recipe=held_out) for method in ("bp", "svp")]
    printed, table = summarise(tmp_path / "all", capsys, found)
    assert "validation accuracy (%)" in header(printed) and "accuracy of" not in header(printed)
    assert set(table["accuracy_of"]) == {"validation"}
    found += [run(method, accuracy=80.0) for method in ("bp", "svp")]
    printed, table = summarise(tmp_path / "some", capsys, found)
    assert "accuracy (%)" in header(printed) and "accuracy of" in header(printed)
    rows = table[table["method"] == "svp"].set_index("accuracy_of")
    assert rows["accuracy"].to_dict() == {"validation": 90, "test": 80}
    assert rows["difference"].tolist() == [0, 0]  # each to the baseline of its images


def test_other_inference_rules_have_columns_where_records_do(tmp_path, capsys):
    one = run()
    one["metrics"] |= {"accuracy_mean": 91.5}
    printed, table = summarise(tmp_path, capsys, [one, run("bp")])
    assert "accuracy mean" in header(printed) and "accuracy stacked" not in header(printed)
    assert table.set_index("method")["accuracy_mean"].to_dict() == pytest.approx(
        {"svp": 91.5, "bp": math.nan}, nan_ok=True
    )


def test_divergence_is_counted_in_no_mean_and_a_missing_baseline_leaves_gaps(tmp_path, capsys):
    lost = diverged(**run(seed=1)["config"])
    printed, table = summarise(tmp_path, capsys, [run(), lost, run(model="vit", model_options={})])
    row = table.set_index("model").loc["mlp"]
    assert (row["n"], row["diverged"], row["accuracy"]) == (1, 1, 90)
    assert table[["difference", "relative_memory", "low"]].isna().all(axis=None)
    assert "nan" not in printed.out.lower()


def test_a_setting_of_more_seeds_is_the_baseline(tmp_path, capsys):
    found = [run("bp", seed, 95.0) for seed in (0, 1)] + [run("bp", 0, 99.0, lr=0.1)]
    _, table = summarise(tmp_path, capsys, [*found, run()])
    assert table.set_index("method").loc["svp", "difference"] == -5


def test_the_last_of_equal_runs_counts_and_other_files_are_named(tmp_path, capsys):
    newer = run(accuracy=92.0, variant="copy")
    newer["provenance"]["finished_at"] = "2027-01-01T00:00:00+00:00"
    printed, table = summarise(tmp_path, capsys, [newer, run(), "{", "[]", '{"config": {}}'])
    assert table["accuracy"].tolist() == [92] and table["n"].tolist() == [1]
    assert printed.err.count("is no record of a run") == 3
    assert "1 older records of equal runs left out" in printed.err


def test_defaults_of_options_added_since_make_no_other_setting(tmp_path, capsys):
    found = [
        run(method_options={"scale": 4}),
        run(seed=1, method_options={"scale": 4.0, "draw": 0}),
    ]
    _, table = summarise(tmp_path, capsys, found)
    assert table["n"].tolist() == [2]


def test_options_of_other_code_are_taken_as_they_are(tmp_path, capsys):
    found = [run(method="unheard_of", method_options={"a": one}) for one in (1, None)]
    _, table = summarise(tmp_path, capsys, found)
    assert pd.isna(table["method_options.a"]).tolist() in ([True, False], [False, True])


def test_a_folder_without_records_is_named(tmp_path):
    with pytest.raises(SystemExit, match="no records of runs"):
        trials.main([str(tmp_path)])
    assert record()  # which would be one


def test_a_reader_that_leaves_ends_the_command_in_silence(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text(json.dumps(run()))
    end, start = os.pipe()
    os.close(end)
    with os.fdopen(start, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(SystemExit) as error:
            trials.main([str(tmp_path)])
    assert error.value.code == 1
