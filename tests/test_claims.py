"""Verdicts follow from tables: every rule can be supported, refuted, left open and untested."""

import pandas as pd
import pytest
import yaml
from made_claims import RULES, SEEDS, TASK, TESTED, aim, table_for

from svp_core import claims, tables
from svp_core.claims.rules import CLAIMS, FOLDER, LEAST, bounds_text, refuted
from svp_core.claims.verdicts import combined, holm
from workflow.scripts.judge_claims import with_derived

NAMES = [f"{name}: {rule['name']}" for name, rule in TESTED]
CHANCE = [pair for pair in TESTED if pair[1]["test"] in ("paired", "spread")]
ACCURACY = CLAIMS["claim 1"]["measurements"][0]


def judged(rule: dict, table: pd.DataFrame | None) -> pd.DataFrame:
    """The rows of one rule alone, by cell; that of the whole claim is checked to agree."""
    one = {"claim 1": {"text": "?", "figure": "x", "measurements": [rule]}}
    found = claims.judge(one, {} if table is None else {rule["table"]: table})
    assert list(found) == tables.columns("claims")
    whole = found[found["measurement"] == claims.ALL].iloc[0]
    rows = found[found["measurement"] != claims.ALL].set_index("cell")
    assert whole["verdict"] == rows.loc[claims.OVERALL, "verdict"]
    return rows


@pytest.mark.parametrize(("name", "rule"), TESTED, ids=NAMES)
@pytest.mark.parametrize("wanted", ["supported", "not supported"])
def test_every_rule_is_supported_and_refuted_by_tables(name, rule, wanted):
    rows = judged(rule, table_for(rule, aim(rule, wanted)))
    assert set(rows["verdict"]) == {wanted}


@pytest.mark.parametrize(("name", "rule"), CHANCE, ids=lambda one: "")
def test_chance_leaves_a_rule_undecided(name, rule):
    at = next(iter(rule["supported"].values()))
    rows = judged(rule, table_for(rule, at, noise=1000))
    assert set(rows["verdict"]) == {"undecided"}


@pytest.mark.parametrize(("name", "rule"), CHANCE, ids=lambda one: "")
@pytest.mark.parametrize("wanted", ["supported", "not supported"])
def test_below_five_seeds_nothing_is_decided(name, rule, wanted):
    rows = judged(rule, table_for(rule, aim(rule, wanted), seeds=LEAST - 1))
    assert set(rows["verdict"]) == {"undecided"}
    assert rows["reason"].iloc[0] == f"n = {LEAST - 1}, below {LEAST}"
    one = judged(rule, table_for(rule, aim(rule, wanted), seeds=1))
    assert set(one["verdict"]) == {"undecided"} and one["p"].isna().all()


@pytest.mark.parametrize(("name", "rule"), TESTED, ids=NAMES)
def test_what_is_not_there_is_not_tested(name, rule):
    table = table_for(rule, 1.0)
    for missing in (None, table.drop(columns=rule["value"], errors="ignore").iloc[:0]):
        rows = judged(rule, missing)
        assert list(rows.index) == [claims.OVERALL]
        assert rows["verdict"].tolist() == ["not tested here"] and rows["reason"].iloc[0]


def test_a_grid_without_svp_is_not_tested():
    table = table_for(ACCURACY, 0.0)
    rows = judged(ACCURACY, table[table["method"] != "svp"])
    assert rows.loc[claims.OVERALL, "verdict"] == "not tested here"


def test_a_slope_that_crosses_a_bound_is_undecided():
    rule = next(rule for _, rule in TESTED if rule["test"] == "slope")
    assert set(judged(rule, table_for(rule, 0.05, noise=2))["verdict"]) == {"undecided"}


@pytest.mark.parametrize(("diverged", "verdict"), [(1, "undecided"), (SEEDS, "not supported")])
def test_a_seed_that_diverged_supports_nothing(diverged, verdict):
    table = table_for(ACCURACY, 0.0)
    is_gone = (table["method"] == "svp") & (table["seed"] < diverged)
    rows = judged(ACCURACY, table.assign(test_accuracy=table["test_accuracy"].mask(is_gone)))
    assert set(rows["verdict"]) == {verdict}
    assert rows["reason"].iloc[0] == f"no value of seeds {', '.join(map(str, range(diverged)))}"


def cells(*estimates: float) -> pd.DataFrame:
    """A table of claim 1 with a cell of each estimate."""
    parts = [table_for(ACCURACY, one).assign(model=f"m{i}") for i, one in enumerate(estimates)]
    return pd.concat(parts)


def test_the_whole_needs_every_cell_and_names_what_breaks_it():
    rows = judged(ACCURACY, cells(0.0, -3.0))
    assert rows.loc["digits/m0", "verdict"] == "supported"
    overall = rows.loc[claims.OVERALL]
    assert overall["verdict"] == "not supported" and overall["n"] == 2
    assert overall["reason"] == "not supported: digits/m1. supported: digits/m0"


def test_a_claim_of_some_cell_needs_one():
    rule = ACCURACY | {"cells": "some"}
    assert judged(rule, cells(0.0, -3.0)).loc[claims.OVERALL, "verdict"] == "supported"
    assert judged(rule, cells(-3.0, -3.0)).loc[claims.OVERALL, "verdict"] == "not supported"


def test_pairs_are_of_equal_seeds():
    table = table_for(ACCURACY, 0.0)
    is_left = table["method"] == "svp"
    shifted = table.assign(seed=table["seed"] + 3 * is_left)  # 3 of 6 in common, 3 points apart
    row = judged(ACCURACY, shifted).iloc[0]
    assert row["n"] == 3 and row["estimate"] == pytest.approx(-3, abs=0.1)


def test_the_interval_agrees_with_the_tests():
    """A bound at an end of the 90 % interval has p = 5 %."""
    row = judged(ACCURACY, table_for(ACCURACY, 0.0, noise=30)).iloc[0]
    at_low = judged(ACCURACY | {"supported": {"above": row["low"]}}, table_for(ACCURACY, 0.0, 30))
    assert at_low["p"].iloc[0] == pytest.approx(0.05)


def test_ranks_are_those_of_the_last_unit_after_the_last_epoch():
    keys = TASK | {"method": "svp", "variant": "x", "units": 2}
    rows = [
        keys | {"seed": seed, "epoch": epoch, "unit": unit, "effective_rank": 10.0 * unit + epoch}
        for seed, epochs in ((0, 3), (1, 2))  # the second one diverged
        for epoch in range(1, epochs + 1)
        for unit in (1, 2)
    ]
    found = with_derived({"collapse": pd.DataFrame(rows)}, {})["collapse"]
    assert found.set_index("seed")["effective_rank"].to_dict() == {0: 23.0, 1: 22.0}


def test_holm_raises_p_values_by_those_that_are_left():
    # by hand: .01 * 4, max(., .02 * 3), max(., .03 * 2), .04
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([]) == [] and holm([0.9, 0.8]) == [1.0, 1.0]


def test_more_cells_ask_for_more():
    """An estimate that one cell alone would support is open among ten."""
    noisy = table_for(ACCURACY, -0.4, noise=70)
    assert judged(ACCURACY, noisy)["verdict"].iloc[0] == "supported"
    ten = pd.concat([noisy.assign(model=f"m{i}") for i in range(10)])
    assert set(judged(ACCURACY, ten)["verdict"]) == {"undecided"}


def test_two_rows_a_seed_are_refused():
    table = table_for(ACCURACY, 0.0)
    with pytest.raises(tables.TableError, match="SVP against BP: two rows a seed"):
        judged(ACCURACY, pd.concat([table, table]))


def test_what_is_untested_decides_nothing():
    both = {"a": ("supported", ""), "b": ("not tested here", "no table x")}
    assert combined(both, "every") == ("supported", "supported: a. not tested here: b")
    assert combined({"b": both["b"]}, "every") == ("not tested here", "no table x")


def test_there_are_six_claims_nine_questions_and_four_claims_about_peers():
    kinds = {"claim": 6, "question": 9, "peer": 4}
    expected = [f"{kind} {n}" for kind, count in kinds.items() for n in range(1, count + 1)]
    assert list(CLAIMS) == expected
    assert all(refuted(rule) for _, rule in RULES if rule["test"] != "none")
    assert len({(name, rule["name"]) for name, rule in RULES}) == len(RULES)
    assert bounds_text({"above": -1.0, "below": 1.0}) == "above -1 and below 1"
    assert all("digits" not in str(rule) for _, rule in RULES) and TASK["dataset"] == "digits"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("measurements", 0, "test"), "guess", "measurements.0..test: 'guess' is not one of"),
        (("measurements", 0, "supported"), {}, "measurements.0..supported"),
        (("measurements", 0, "verdict"), "supported", "'verdict' was unexpected"),
        (("text",), "", "text"),
    ],
)
def test_a_wrong_rule_is_named(tmp_path, path, value, message):
    rules = yaml.safe_load((FOLDER / "claims.yaml").read_text())
    *parents, leaf = path
    node = rules["claim 1"]
    for parent in parents:
        node = node[parent]
    node[leaf] = value
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(rules))
    with pytest.raises(tables.TableError, match=f"mine.yaml: .*{message}"):
        claims.load(tmp_path / "mine.yaml")
