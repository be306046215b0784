"""The study of sparse Gaussian weights: its table, its figure, and the claims that rest on it."""

import pandas as pd
import pytest
import yaml
from builders import completed, diverged, write_records
from snakemake.utils import update_config
from suite_copy import ROOT, default_config

from figures import ssvi
from svp_core import claims, tables
from svp_core.claims.rules import CLAIMS
from workflow.planning import Plan
from workflow.scripts import collect_ssvi, judge_claims
from workflow.studies import Study

PEERS = [name for name, claim in CLAIMS.items() if claim["figure"] == "ablations/ssvi"]
assert PEERS == ["peer 1", "peer 2", "peer 3"]


def record(method: str, seed: int = 0, density: float | None = None, accuracy=95.0, ece=0.02):
    """A record of digits with what the study measures; of bp there are no sampled networks."""
    options = {} if density is None else {"density": density}
    kept = 1.0 if density is None else density
    variant = "default" if density in (None, 0.1) else f"density-{density}"
    found = completed([accuracy], method=method, seed=seed, variant=variant, method_options=options)
    found["config"]["dataset"] = "digits"
    size = 1 if method == "bp" else 2
    measured = {"nll": 0.2, "ece": ece, "active_parameters": int(size * 10_000 * kept) + 10}
    measured |= {"accuracy_noise_50": 90.0, "ece_noise_50": 0.05, "layer_sparsity": [1 - kept]}
    measured |= {"inference_flops": 20_000, "inference_flops_sparse": int(20_000 * kept)}
    mask = 0 if density is None else 1250
    measured["stored_bytes"] = 4 * measured["active_parameters"] + mask
    if method != "bp":
        measured["train_flops_sparse"] = int(4e6 * kept)
        measured |= {"accuracy_sampled": accuracy, "accuracy_mean_weights": accuracy - 1}
    found["metrics"] |= measured
    return found


def study(seeds: int = 5) -> list[dict]:
    cells = [("bp", None), ("vi", None), ("ssvi", 0.1), ("ssvi", 0.05)]
    return [record(method, seed, density) for seed in range(seeds) for method, density in cells]


def collected(folder, records) -> pd.DataFrame:
    output = folder / "ssvi.csv"
    collect_ssvi.main([*write_records(folder, records), "--output", str(output)])
    return tables.read(output, "ssvi")


def test_the_table_has_what_was_measured_of_every_run(tmp_path):
    gone = diverged(**study(1)[2]["config"] | {"seed": 9})
    table = collected(tmp_path, [*study(), gone])
    assert list(table) == [*tables.columns("ssvi"), "density"] and len(table) == 21
    row = table[(table["method"] == "ssvi") & (table["density"] == 0.05)].iloc[0]
    assert row["active_parameters"] == 1010 and row["train_flops_sparse"] == 200_000
    assert row["accuracy_mean_weights"] == 94.0 and pd.isna(row["ece_noise_100"])
    bp = table[table["method"] == "bp"].iloc[0]
    assert bp["train_flops_sparse"] == bp["train_flops"] and pd.isna(bp["accuracy_sampled"])
    lost = table[table["status"] == "diverged"].iloc[0]
    assert lost[["train_flops_sparse", "stored_bytes", "nll"]].isna().all()
    text = (tmp_path / "ssvi.md").read_text()
    assert "| ssvi   | 0.05    | 5 | 0        | 95.00 [95.00, 95.00]" in text
    assert "2.00 [2.00, 2.00]" in text  # of ECE, in percent


def test_a_record_without_its_metric_is_named(tmp_path, capsys):
    records = study(1)
    del records[2]["metrics"]["stored_bytes"]
    with pytest.raises(SystemExit, match="record of digits/mlp/ssvi/default/0 has no metric comp"):
        collected(tmp_path, records)
    assert not (tmp_path / "ssvi.csv").exists()


def test_the_figure_shows_every_size_and_says_so(tmp_path):
    collected(tmp_path, study(2))
    files = [f"--{kind}={tmp_path / f'ssvi.{kind}'}" for kind in ("png", "pdf")]
    ssvi.main([str(tmp_path / "ssvi.csv"), *files])
    assert (tmp_path / "ssvi.png").stat().st_size > 5000
    seen = ssvi.describe(tables.read(tmp_path / "ssvi.csv", "ssvi"))
    assert "SSVI, 5 kB: 95.0 %, ECE 2.0 %" in seen and "VI, 80 kB" in seen
    only_lost = pd.concat([tables.read(tmp_path / "ssvi.csv", "ssvi").assign(status="diverged")])
    assert ssvi.draw(only_lost.assign(test_accuracy=None)).axes[0].texts


def judged(folder, records) -> dict[str, str]:
    """The verdicts on the claims about peers, from the table of a study."""
    collected(folder, records)
    found = dict([judge_claims.read(folder / "ssvi.csv")])
    rows = claims.judge({name: CLAIMS[name] for name in PEERS}, found)
    whole = rows[rows["measurement"] == claims.ALL]
    return dict(zip(whole["claim"], whole["verdict"], strict=True))


def test_claims_follow_from_the_table(tmp_path):
    good = judged(tmp_path, study())
    assert good == dict.fromkeys(PEERS, "supported")
    worse = {"accuracy": 90.0, "ece": 0.2}
    bad = [record("ssvi", seed, kept, **worse) for seed in range(5) for kept in (0.1, 0.05)]
    others = [one for one in study() if one["config"]["method"] != "ssvi"]
    for one in bad:
        one["metrics"]["train_flops_sparse"] = 4_000_000
    assert judged(tmp_path, [*others, *bad]) == dict.fromkeys(PEERS, "not supported")
    assert judged(tmp_path, study(3)) == dict.fromkeys(PEERS, "undecided")


def test_without_the_study_they_are_not_tested():
    rows = claims.judge({name: CLAIMS[name] for name in PEERS}, {})
    assert set(rows["verdict"]) == {"not tested here"}


def test_the_config_of_the_study_plans_every_task_and_claims_upon_it():
    config = default_config()
    update_config(config, yaml.safe_load((ROOT / "config/bayes.yaml").read_text()))
    plan = Plan(config)
    tasks = {f"{run['dataset']}/{run['model']}" for run in plan.grid.values()}
    assert sorted(tasks) == sorted(config["ablations"]["tasks"]) and len(plan.grid) == 45
    methods = {"vi": {}, "ssvi": {"density": [0.1, 0.05]}}
    plan.add_study(Study("ssvi", methods, tuple(config["ablations"]["tasks"]), (0,), {}))
    assert plan.claim_studies() == ["ssvi"]
    known = [run for run in plan.needed.values() if run["method"] != "bp"]
    assert all(run["method_options"]["means"] == "model" for run in known)
