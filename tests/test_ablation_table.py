"""Records of a study become a table with a column for every option that it varies."""

import math

import pytest
from builders import completed, diverged, record, write_records

from svp_core import tables
from workflow.scripts import collect_ablation


def study(tmp_path, records):
    """Collect the records of a study; its table."""
    path = tmp_path / "study.csv"
    collect_ablation.main([*write_records(tmp_path, records), "--output", str(path)])
    return tables.read(path, "ablation")


def variant(model="mlp", seed=0, **options):
    """A record of a study: a change of the options of svp, by name."""
    name = "_".join(f"{key}-{value}" for key, value in options.items())
    epochs = 2 if model == "mlp" else 3  # which a task decides
    method_options = {"scale": 1.0, "d0": 10, "readout": "identity"} | options
    names = {"model": model, "variant": name, "seed": seed}
    return completed([80.0, 90.0], epochs, **names, method_options=method_options)


def test_a_study_has_a_column_for_each_option_that_differs_within_a_task(tmp_path):
    records = [
        variant(model, seed, scale=scale, d0=d0)
        for model in ("mlp", "vit") for seed in (0, 1) for scale in (1.0, 4.0) for d0 in (2, 10)
    ]  # fmt: skip
    records.append(diverged(**variant(seed=2, scale=1.0, d0=2)["config"]))
    table = study(tmp_path, records)
    assert list(table) == [*tables.columns("ablation"), "d0", "scale"]
    assert len(table) == 17
    row = table[table["status"] == "diverged"].iloc[0]
    assert (row["seed"], row["d0"], row["scale"]) == (2, 2, 1.0)
    assert math.isnan(row["test_accuracy"])


def test_options_of_a_part_that_only_some_runs_have_are_left_out(tmp_path):
    parts = [{"readout": "identity"}, {"readout": "codebook", "rows": 3}]
    table = study(tmp_path, [variant(**part) for part in parts])
    assert list(table)[len(tables.columns("ablation")) :] == ["readout"]


def test_two_options_of_one_name_are_called_by_their_paths(tmp_path):
    records = [
        record(model_options={"width": w}, method_options={"width": w, "model": w}, variant=f"w{w}")
        for w in (1, 2)
    ]
    found = list(study(tmp_path, records))[len(tables.columns("ablation")) :]
    assert found == ["method_options.model", "method_options.width", "model_options.width"]


def test_readers_have_means_in_the_order_of_the_options(tmp_path):
    records = [variant(seed=seed, d0=d0) for d0 in (10, 2) for seed in (0, 1)]
    records.append(diverged(**variant(seed=2, d0=2)["config"]))
    study(tmp_path, records)
    text = (tmp_path / "study.md").read_text()
    assert "| mnist   | mlp   | svp    | 2  | 2 | 1        | 90.00 [90.00, 90.00] |" in text
    assert text.index("| 2  |") < text.index("| 10 |")
    assert "mnist & mlp & svp & 2 & 2 & 1 & 90.00" in (tmp_path / "study.tex").read_text()


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record(), record(seed=1)], "no option differs between the runs"),
        ([record(), record()], "record_0.json and .*record_1.json: the same run"),
    ],
)
def test_a_study_of_nothing_or_of_one_run_twice_is_refused(tmp_path, records, message):
    with pytest.raises(SystemExit, match=message):
        study(tmp_path, records)
