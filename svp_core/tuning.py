"""Choose settings on held-out training images, every method by the same number of trials.

Three stages write lists for svp_core.batch. `first` draws the trials of every family of settings,
`again` takes the best of them with further seeds, `final` the best of all on the test images:

python -m svp_core.tuning first config/tuning.yaml --directory results/tuning
python -m svp_core.batch results/tuning/first.jsonl --directory results/tuning   # then the next
"""

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import yaml

from svp_core.config import options, resolve, texts
from svp_core.config.pairs import ConfigError
from svp_core.records import RecordError, read_run
from svp_core.runtime import commands
from svp_core.runtime.files import require_apart, require_writable, write_atomically
from svp_core.seeds import derive

SETTINGS = ("model_options", "method_options", "recipe")  # the keys of a run that have options
CHOICE = "chosen.yaml"  # the best settings of every family
Key = tuple[str, str]  # task and family


class Result(NamedTuple):
    """What a trial came to."""

    accuracy: float  # in percent, mean over seeds, by its best rule
    rule: str | None  # of inference; None where there is one prediction only
    run: dict  # all settings, without a seed


@commands.command()
def main(arguments: list[str] | None = None) -> int:
    """Write the list of a stage; return 0, or 1 after an error that the user can mend."""
    parser = commands.Parser(prog="python -m svp_core.tuning", description=__doc__)
    parser.add_argument("stage", choices=["first", "again", "final"])
    parser.add_argument("study", type=Path, help="tasks, families of settings, spaces (YAML)")
    parser.add_argument("--directory", type=Path, default=Path("results/tuning"))
    count = "take the first trials of every family only, where not all were run"
    parser.add_argument("--trials", type=commands.integer(1), help=count)
    given = parser.parse_args(arguments)
    path = given.directory / f"{given.stage}.jsonl"
    outputs = {"the list": path, "the choice": given.directory / CHOICE}
    require_apart(outputs, {"the study": given.study})
    require_writable(*outputs.values())
    study = read_study(given.study, given.trials)
    runs = {"first": first, "again": again, "final": final}[given.stage](study, given.directory)
    lines = [json.dumps(line(run, given.stage)) + "\n" for run in runs]
    write_atomically(path, lambda file: file.write("".join(lines).encode()))
    print(f"{path}: {len(lines)} runs")
    return 0


def read_study(path: Path, count: int | None = None) -> dict:
    """Return the study of a file, of so many trials; raises ConfigError, naming the key."""
    rules = yaml.safe_load(Path(__file__).with_name("tuning.schema.yaml").read_text())
    text = texts.read(path)
    try:
        study = texts.from_yaml(text)
        options.require_mapping(study, "")
        study = options.checked(study | ({} if count is None else {"trials": count}), rules, "")
        require_names(study)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return study


def require_names(study: Mapping) -> None:
    """Raise ConfigError for two families of one name in the end, or a family that is not there."""
    for task, settings in study["tasks"].items():
        names = Counter(final_name(name, one) for name, one in settings["families"].items())
        for (method, variant), count in names.items():
            if count > 1:
                where = f"tasks.{task}.families"
                raise ConfigError(f"{where}: {count} have the variant {variant} of {method}")
    for place, part in enumerate(study["final"]):
        if part["task"] not in study["tasks"]:
            raise ConfigError(f"final.{place}.task: {part['task']} is not in tasks")
        for name in part["families"]:
            if name not in study["tasks"][part["task"]]["families"]:
                raise ConfigError(f"final.{place}.families: {part['task']} has no {name}")


def final_name(name: str, family: Mapping) -> tuple[str, str]:
    """Return method and variant by which tables and figures know a family."""
    return family["method"], family.get("variant", name)


def output(run: Mapping, stage: str) -> str:
    """Return where the record of a run is, relative to the folder of the study."""
    images = run["recipe"]["train_images"] or "all"
    return "{}/{dataset}/{model}/{method}/{variant}/{}/{seed}.json".format(stage, images, **run)


def line(run: dict, stage: str) -> dict:
    """Return a run and its files, as svp_core.batch reads them; raises ConfigError."""
    record = Path(output(run, stage))
    try:
        resolve(run)
    except ConfigError as error:
        raise ConfigError(f"{record.with_suffix('')}: {error}") from None
    return {
        "run": run,
        "output": str(record),
        "checkpoint": str("checkpoints" / record.with_suffix(".pt")),
        "log": str("logs" / record.with_suffix(".log")),
    }


def first(study: Mapping, folder: Path) -> list[dict]:
    """Return the trials of every family with the first seed; the families take turns."""
    drawn = [trials(study, *family) for family in families(study)]
    return [run | {"seed": study["seeds"][0]} for turn in zip(*drawn, strict=True) for run in turn]


def families(study: Mapping) -> Iterator[Key]:
    """Yield all families."""
    for task, settings in study["tasks"].items():
        yield from ((task, name) for name in settings["families"])


def trials(study: Mapping, task: str, name: str) -> list[dict]:
    """Return different runs of a family without seeds, the same in every call.

    Fewer trials are the first of more. Raises ConfigError where there are not enough.
    """
    settings, count = study["tasks"][task], study["trials"]
    family = settings["families"][name]
    (dataset, _, model), own = task.partition("/"), family.get("options", {})
    run = {"dataset": dataset, "model": model, "method": family["method"], "metrics": []}
    run |= {"model_options": settings["model"], "method_options": own, "recipe": settings["recipe"]}
    space = settings.get("space", {}) | family.get("space", {})
    changes = family.get("listed") or draws(space, count, derive(0, "trials", task, name))
    if len(changes) < count:
        where = "listed" if "listed" in family else "space"
        found = f"{len(changes)} different settings for {count} trials"
        raise ConfigError(f"tasks.{task}.families.{name}.{where}: {found}")
    return [
        changed(run, change) | {"variant": f"{name}.{number:02d}"}
        for number, change in enumerate(changes[:count])
    ]


def draws(space: Mapping, count: int, seed: int) -> list[dict]:
    """Return so many different points of a space, or fewer if it has no more."""
    generator, found = random.Random(seed), {}
    for _ in range(100 * count):
        chosen = {path: generator.choice(values) for path, values in space.items()}
        found.setdefault(json.dumps(chosen, sort_keys=True), chosen)
        if len(found) == count:
            break
    return list(found.values())


def changed(run: dict, values: Mapping) -> dict:
    """Return the run with options given by paths such as recipe.lr."""
    result = deepcopy(run)
    for path, value in values.items():
        key, _, name = path.partition(".")
        result[key][name] = value
    return result


def again(study: Mapping, folder: Path) -> list[dict]:
    """Return the best trials of every family with the other seeds."""
    best = [one.run for found in finalists(study, folder).values() for one in found]
    return [run | {"seed": seed} for seed in study["seeds"][1:] for run in best]


def final(study: Mapping, folder: Path) -> list[dict]:
    """Return the chosen settings on the test images, with the seeds and sizes of the study.

    The choice is written beside them.
    """
    best = {
        key: ranking([one.run for one in found], folder, study["seeds"], rules(study))[0]
        for key, found in finalists(study, folder).items()
    }
    chosen: dict = {}
    for (task, name), (accuracy, rule, run) in best.items():
        result = {"validation_accuracy": round(accuracy, 2), "trial": run["variant"]}
        settings = {key: ruled(run, rule)[key] for key in SETTINGS}
        chosen.setdefault(task, {})[name] = result | {"inference": rule} | settings
    text = yaml.safe_dump(chosen, sort_keys=False)
    runs = [run for part in study["final"] for run in finals(study, part, best)]
    for run in runs:
        line(run, "final")  # before anything is written, or the choice would be that of no list
    write_atomically(folder / CHOICE, lambda file: file.write(text.encode()))
    return runs


def finals(study: Mapping, part: Mapping, best: Mapping[Key, Result]) -> Iterator[dict]:
    """Yield the runs of one part: task, families, sizes of the training set, seeds."""
    for size in part["train_images"]:
        for name in part["families"]:
            _, rule, run = best[part["task"], name]
            _, variant = final_name(name, study["tasks"][part["task"]]["families"][name])
            recipe = run["recipe"] | {"train_images": size, "validation_images": None}
            run = ruled(run, rule) | {"variant": variant, "recipe": recipe}
            for seed in range(part["seeds"]):
                yield run | {"seed": seed, "metrics": ["nll", "ece"]}


def ruled(run: dict, rule: str | None) -> dict:
    """Return the run with that rule of inference, without the options of the one before."""
    if rule is None:
        return run
    own, change = run["method_options"], {"inference": rule}
    return run | {"method_options": options.merged("methods", run["method"], own, change)}


def finalists(study: Mapping, folder: Path) -> dict[Key, list[Result]]:
    """Return the best trials of every family by the first seed; raises ConfigError."""
    return {
        family: ranking(trials(study, *family), folder, study["seeds"][:1], rules(study))[
            : study["finalists"]
        ]
        for family in families(study)
    }


def rules(study: Mapping) -> list[str]:
    """Return the rules of inference that trials may be judged by beside their own."""
    return [] if study.get("judged_by") == "own_rule" else options.names("local/inferences")


def ranking(runs: list[dict], folder: Path, seeds: list[int], rules: list[str]) -> list[Result]:
    """Return trials by mean accuracy over the seeds, the best first, of equal ones the earlier.

    Raises ConfigError for the first record that is missing or of other settings.
    """
    stages = {seed: "again" for seed in seeds} | {seeds[0]: "first"}
    found = [
        judged([read(run | {"seed": seed}, stage, folder) for seed, stage in stages.items()], rules)
        for run in runs
    ]
    return sorted(found, key=lambda one: -one.accuracy)


def read(run: dict, stage: str, folder: Path) -> dict:
    """Return the record of a trial; raises ConfigError."""
    path = folder / output(run, stage)
    try:
        record = read_run(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: missing; train {stage}.jsonl, or pass --trials") from None
    except RecordError as error:
        raise ConfigError(str(error)) from None
    config = record["config"]
    for key in SETTINGS:
        for name, value in run[key].items():
            if config[key].get(name) != value:
                raise ConfigError(f"{path}: {key}.{name} is not {value}, as the study has it now")
    for key in ("dataset", "model", "method", "variant", "seed"):
        if config[key] != run[key]:
            raise ConfigError(f"{path}: {key} is {config[key]}, not {run[key]}")
    return record


def judged(records: list[dict], rules: list[str]) -> Result:
    """Return what one setting came to with all seeds: by the rule that is best on average.

    By their own where there are no rules. A run that diverged counts as 0 %, of equal rules the
    first by name.
    """
    config, metrics = records[0]["config"], [one["metrics"] for one in records]
    names = [(rule, f"accuracy_{rule}") for rule in rules]
    scores = {
        rule: mean(one.get(name, 0.0) for one in metrics)
        for rule, name in names
        if any(name in one for one in metrics)
    } or {None: mean(one["test_accuracy"] or 0.0 for one in records)}
    best = max(scores, key=scores.get)
    return Result(scores[best], best, {key: config[key] for key in config if key != "seed"})


if __name__ == "__main__":
    sys.exit(main())
