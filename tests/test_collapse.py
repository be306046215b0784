"""The study of collapse: what it plans, its table by epochs, its figure."""

from copy import deepcopy

import pandas as pd
import pytest
from builders import completed, diverged, write_records
from made_costs import texts

from figures import collapse
from svp_core import tables
from svp_core.config import resolve
from svp_core.config.pairs import ConfigError
from workflow import studies
from workflow.scripts import collect_collapse

CONFIG = {
    "tasks": {"digits/mlp": {}, "digits/cnn": {}},
    "metrics": ["nll"],
    "metrics_every": None,
    "metrics_images": 400,
    "gram_images": 0,
}
ASKED = {"metrics": [["effective_rank"]], "metrics_every": 1}


def planned(config=CONFIG, **options) -> list[dict]:
    tasks = {"digits/mlp": {}, "digits/cnn": {"model_options.stages": 1}}
    one = studies.Study("x", "svp", tasks, (0,), {"beta": [1.0, 2.0]} | options)
    found, left_out = studies.runs(config, one)
    assert not left_out
    return found


def test_a_task_has_options_of_its_own_and_a_study_its_own_measurements():
    found = planned(**ASKED)
    assert [run["model"] for run in found] == ["mlp", "mlp", "cnn", "cnn"]
    assert [run["model_options"].get("stages") for run in found] == [None, None, 1, 1]
    assert all(run["metrics"] == ["effective_rank"] for run in found)
    assert all(run["metrics_every"] == 1 for run in found)
    names = [run["variant"] for run in found]
    assert names[0] == "metrics-effective_rank_metrics_every-1"
    assert names[3] == "beta-2.0_metrics-effective_rank_metrics_every-1_model_options.stages-1"
    assert all(resolve(run) == run for run in found)


def test_measurements_that_the_config_has_anyway_are_in_no_name():
    config = CONFIG | {"metrics": ["effective_rank"], "metrics_every": 1}
    assert [run["variant"] for run in planned(config, **ASKED)][:2] == ["default", "beta-2.0"]


def test_a_measurement_that_is_impossible_is_named():
    with pytest.raises(ConfigError, match="ablation x: .*metrics_every: 0 is less than"):
        planned(metrics_every=0)


def record(alignment: str, beta: float, ranks: list[float], **config) -> dict:
    """A run of two units whose last has these ranks after its epochs."""
    found = completed([80.0, 90.0], epochs=len(ranks), **config)
    for entry, rank in zip(found["curves"], ranks, strict=True):
        entry["metrics"] = {
            "unit_effective_rank": [9.0, rank],
            "unit_participation_ratio": [3.0, rank / 2],
        }
    found["config"]["variant"] = f"alignment-{alignment}_beta-{beta}"
    found["config"]["method_options"] = {"alignment": alignment, "beta": beta}
    return found


RECORDS = [
    record("gaussian_kl", 1.0, [8.0, 7.0]),
    record("gaussian_kl", 1.0, [6.0, 5.0], seed=1),
    record("feature_kl", 1.0, [4.0, 2.0]),
    record("feature_kl", 100.0, [4.0, 1.0]),
]


def collected(folder, records) -> pd.DataFrame:
    output = folder / "collapse.csv"
    collect_collapse.main([*write_records(folder, records), "--output", str(output)])
    return tables.read(output, "collapse")


def test_the_table_has_every_unit_and_epoch_that_was_measured(tmp_path):
    records = deepcopy(RECORDS)
    records[0]["curves"][0]["seconds"] = 0.25
    table = collected(tmp_path, records)
    assert len(table) == 4 * 2 * 2
    last = table[(table["unit"] == 2) & (table["alignment"] == "gaussian_kl")]
    assert last[last["seed"] == 0]["effective_rank"].tolist() == [8.0, 7.0]
    assert last[last["seed"] == 0]["participation_ratio"].tolist() == [4.0, 3.5]
    assert last[last["seed"] == 0]["seconds"].tolist() == [0.25, 0.75]
    del records[0]["curves"][0]["metrics"]["unit_effective_rank"]
    assert len(collected(tmp_path, records)) == 4 * 2 * 2 - 2


def test_the_figure_draws_means_of_the_last_unit(tmp_path):
    figure = collapse.draw(collected(tmp_path, RECORDS))
    rank, accuracy = figure.axes
    lines = [line.get_ydata().tolist() for line in rank.lines]
    assert lines == [[7.0, 6.0], [4.0, 2.0], [4.0, 1.0]]
    assert rank.get_ylim()[0] == 0 and rank.get_ylabel() == "Effective rank"
    assert all(line.get_ydata()[-1] == 90 for line in accuracy.lines)
    assert "KL on activations, beta 100" in texts(figure)


def test_a_study_of_diverged_runs_says_so(tmp_path):
    records = [diverged(epochs=1), diverged(epochs=1, seed=1)]
    for beta, one in enumerate(records):
        one["config"]["method_options"] = {"alignment": "feature_kl", "beta": float(beta)}
        one["curves"][0]["metrics"] = record("feature_kl", 1.0, [1.0])["curves"][0]["metrics"]
    assert "No run completed" in texts(collapse.draw(collected(tmp_path, records)))
