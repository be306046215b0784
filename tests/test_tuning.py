"""Settings are chosen by equal numbers of trials, on held-out images, and go to the test images."""

import json
from pathlib import Path

import pytest
import yaml
from builders import completed, diverged

from svp_core import tuning
from svp_core.config import resolve
from svp_core.config.pairs import ConfigError

LDA = {"method": "local_lda", "options": {"d0": 12, "inference": "stacked"}}
STUDY = {
    "trials": 3,
    "seeds": [100, 101],
    "finalists": 2,
    "tasks": {
        "digits/mlp": {
            "model": {"depth": 2, "width": 16},
            "recipe": {"epochs": 1, "train_images": 600, "validation_images": 600},
            "space": {"recipe.lr": [0.001, 0.003, 0.01, 0.03, 0.1]},
            "families": {
                "bp": {"method": "bp", "variant": "default"},
                "lda": LDA | {"space": {"method_options.stack_shrinkage": [0.1, 0.3]}},
                "lda_2": LDA | {"listed": [{"recipe.lr": n / 100} for n in range(1, 5)]},
            },
        }
    },
    "final": [
        {"task": "digits/mlp", "train_images": [600, None], "seeds": 2, "families": ["lda", "bp"]}
    ],
}
TASK = STUDY["tasks"]["digits/mlp"]


def write(folder: Path, lines: list[dict], accuracies: dict) -> None:
    """Records of a list, of these accuracies: by variant and seed, of one rule or of several."""
    for line in lines:
        run = line["run"]
        accuracy = accuracies.get((run["variant"], run["seed"]), 50.0)
        rules = accuracy if isinstance(accuracy, dict) else {}
        record = diverged() if accuracy is None else completed([rules.get("stacked", accuracy)], 1)
        record["metrics"] |= {f"accuracy_{rule}": value for rule, value in rules.items()}
        path = folder / line["output"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record | {"config": resolve(run)}))


def stage(folder: Path, name: str, *arguments: str, study: dict = STUDY) -> list[dict]:
    """The list of a stage, by the command."""
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    command = [name, str(folder / "study.yaml"), "--directory", str(folder), *arguments]
    assert tuning.main(command) == 0
    return [json.loads(text) for text in (folder / f"{name}.jsonl").read_text().splitlines()]


def settings(lines: list[dict]) -> list[tuple]:
    return [(line["run"]["variant"], line["run"]["seed"]) for line in lines]


def test_families_take_turns_with_different_settings_that_are_the_same_in_every_call(tmp_path):
    lines = stage(tmp_path, "first")
    order = [f"{family}.{n:02d}" for n in range(3) for family in ("bp", "lda", "lda_2")]
    assert settings(lines) == [(variant, 100) for variant in order]
    assert stage(tmp_path, "first") == lines
    drawn = {json.dumps({**line["run"], "variant": ""}) for line in lines}
    assert len(drawn) == len({line["output"] for line in lines}) == 9
    assert lines[0]["output"] == "first/digits/mlp/bp/bp.00/600/100.json"
    rates = [line["run"]["recipe"]["lr"] for line in lines[2::3]]
    assert rates == [0.01, 0.02, 0.03]  # of a list, in its order
    fewer = stage(tmp_path, "first", "--trials", "2")
    assert fewer == lines[:6]


def test_a_space_or_list_that_is_too_small_is_named(tmp_path, capsys):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    command = ["first", str(tmp_path / "study.yaml"), "--directory", str(tmp_path), "--trials"]
    assert tuning.main([*command, "6"]) == 1
    message = "tasks.digits/mlp.families.bp.space: 5 different settings for 6 trials"
    assert capsys.readouterr().err == f"error: {message}\n"
    assert tuning.main([*command, "5"]) == 1
    assert "families.lda_2.listed: 4 different settings for 5 trials" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trails": 3}, "'trails' was unexpected"),
        ({"finalists": None}, "'finalists' is a required property"),
        ({"trials": 0}, "trials: 0 is less than the minimum of 1"),
        ({"tasks": {"digits/mlp": TASK | {"spcae": {}}}}, "tasks.digits/mlp: .*'spcae' was"),
        (
            {"tasks": {"digits/mlp": TASK | {"space": {"lr": [1]}}}},
            "tasks.digits/mlp.space: 'lr' does not match",
        ),
        (
            {"tasks": {"digits/mlp": TASK | {"families": {"a": LDA, "b": LDA | {"variant": "a"}}}}},
            "tasks.digits/mlp.families: 2 have the variant a of local_lda",
        ),
        ({"final": [STUDY["final"][0] | {"task": "a/b"}]}, "final.0.task: a/b is not in tasks"),
        (
            {"final": [STUDY["final"][0] | {"families": ["svp"]}]},
            "final.0.families: digits/mlp has no svp",
        ),
    ],
)
def test_a_study_that_is_wrong_is_told_in_one_line(tmp_path, change, message):
    path, changed = tmp_path / "study.yaml", STUDY | change
    path.write_text(yaml.safe_dump({k: v for k, v in changed.items() if v is not None}))
    with pytest.raises(ConfigError, match=message) as error:
        tuning.read_study(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[1]", "trials: {", "trials: 3: 4"])
def test_a_file_that_is_no_study_is_named(tmp_path, text):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(ConfigError, match="study.yaml: "):
        tuning.read_study(tmp_path / "study.yaml")


def test_an_option_that_does_not_exist_names_its_trial(tmp_path, capsys):
    study = STUDY | {"tasks": {"digits/mlp": TASK | {"space": {"recipe.rate": [1, 2, 3]}}}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    assert tuning.main(["first", str(tmp_path / "study.yaml")]) == 1
    assert "error: first/digits/mlp/bp/bp.00/600/100: recipe: " in capsys.readouterr().err


# lda.02 is best by its mean of all, lda.00 and lda.01 are equal; of bp the first trial diverged
FIRST = {("bp.00", 100): None, ("bp.01", 100): 60.0, ("bp.02", 100): 55.0}
FIRST |= {("lda.02", 100): {"last": 80.0, "mean": 90.0, "stacked": 70.0}}
AGAIN = {("bp.01", 101): None, ("bp.02", 101): 59.0}
AGAIN |= {("lda.02", 101): {"last": 89.0, "mean": 81.0, "stacked": 70.0}, ("lda.00", 101): 99.0}


def test_the_best_by_one_seed_are_tried_again_with_the_others(tmp_path):
    write(tmp_path, stage(tmp_path, "first"), FIRST)
    found = settings(stage(tmp_path, "again"))
    best = ["bp.01", "bp.02", "lda.02", "lda.00", "lda_2.00", "lda_2.01"]
    assert found == [(variant, 101) for variant in best]
    two = settings(stage(tmp_path, "again", "--trials", "2"))
    assert two[:2] == [("bp.01", 101), ("bp.00", 101)]  # all there are, a divergence the last


def test_the_best_by_all_seeds_goes_to_the_test_images_by_its_best_rule(tmp_path):
    write(tmp_path, stage(tmp_path, "first"), FIRST)
    write(tmp_path, stage(tmp_path, "again"), AGAIN)
    lines = stage(tmp_path, "final")
    assert settings(lines) == [("lda", 0), ("lda", 1), ("default", 0), ("default", 1)] * 2
    assert "final/digits/mlp/local_lda/lda/all/0.json" in {line["output"] for line in lines}
    recipes = [resolve(line["run"])["recipe"] for line in lines]
    assert [recipe["train_images"] for recipe in recipes] == [600] * 4 + [None] * 4
    assert {recipe["validation_images"] for recipe in recipes} == {None}
    method = lines[0]["run"]["method_options"]
    assert method["inference"] == "mean" and "stack_shrinkage" not in method
    chosen = yaml.safe_load((tmp_path / "chosen.yaml").read_text())["digits/mlp"]
    # 85.5 by the mean, 84.5 by the last; a trial that diverged once is 0 there
    assert [(one["validation_accuracy"], one["trial"]) for one in chosen.values()] == [
        *((57.0, "bp.02"), (85.5, "lda.02"), (50.0, "lda_2.00"))
    ]
    assert [one["inference"] for one in chosen.values()] == [None, "mean", None]
    assert chosen["lda"]["method_options"] == method
    rate = {line["run"]["recipe"]["lr"] for line in lines if line["run"]["method"] == "bp"}
    assert rate == {chosen["bp"]["recipe"]["lr"]}


def test_a_missing_trial_and_one_of_other_settings_are_refused_by_name(tmp_path):
    lines = stage(tmp_path, "first")
    write(tmp_path, lines, {})
    gone = tmp_path / lines[4]["output"]
    gone.unlink()
    with pytest.raises(ConfigError, match=f"{gone}: missing; train first.jsonl"):
        tuning.again(STUDY, tmp_path)
    write(tmp_path, lines, {})
    with pytest.raises(ConfigError, match="again/digits/mlp/bp/bp.00/600/101.json: missing"):
        tuning.final(STUDY, tmp_path)
    gone.write_text("{")
    with pytest.raises(ConfigError, match=f"{gone}: not JSON"):
        tuning.again(STUDY, tmp_path)
    gone.write_text((tmp_path / lines[1]["output"]).read_text())
    with pytest.raises(ConfigError, match=f"{gone}: recipe.lr is not .* as the study has it"):
        tuning.again(STUDY, tmp_path)


def test_a_run_that_diverged_counts_as_nothing_by_every_rule():
    lost, well = diverged(), completed([90.0])
    well["metrics"] |= {"accuracy_last": 90.0, "accuracy_mean": 90.0}
    rules = ["last", "mean"]
    assert tuning.judged([lost, well], rules)[:2] == (45.0, "last")  # of equal rules the first
    assert tuning.judged([lost, lost], rules)[:2] == (0.0, None)


def test_the_study_of_the_suite_is_read():
    study = tuning.read_study(Path(__file__).parents[1] / "config/tuning.yaml")
    assert len(list(tuning.families(study))) == 25


def test_trials_may_be_judged_by_the_rule_that_they_have(tmp_path):
    rules = {
        ("lda.00", 100): {"stacked": 60.0, "last": 90.0},
        ("lda.01", 100): {"stacked": 70.0, "last": 10.0},
    }
    own = STUDY | {"seeds": [100], "finalists": 1, "judged_by": "own_rule"}
    for study, winner in ((own, "lda.01"), (own | {"judged_by": "best_rule"}, "lda.00")):
        write(tmp_path, stage(tmp_path, "first", study=study), rules)
        stage(tmp_path, "final", study=study)
        chosen = yaml.safe_load((tmp_path / tuning.CHOICE).read_text())["digits/mlp"]["lda"]
        assert chosen["trial"] == winner
        assert chosen["method_options"]["inference"] == (
            "stacked" if winner == "lda.01" else "last"
        )
