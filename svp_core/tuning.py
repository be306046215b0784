"""Choose settings on held-out training images, every method by the same number of trials.

python -m svp_core.tuning first config/tuning.yaml --directory results/tuning   # a trial a line
python -m svp_core.batch results/tuning/first.jsonl --directory results/tuning
python -m svp_core.tuning again config/tuning.yaml --directory results/tuning   # best ones, other seeds
python -m svp_core.batch results/tuning/again.jsonl --directory results/tuning
python -m svp_core.tuning final config/tuning.yaml --directory results/tuning   # the choice, on the test images
python -m svp_core.batch results/tuning/final.jsonl --directory results/tuning
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from statistics import mean

import yaml

from svp_core.config import options, resolve
from svp_core.config.pairs import ConfigError
from svp_core.runtime.files import write_atomically
from svp_core.seeds import derive

RULES = ("last", "mean", "stacked")  # of inference, all of which a record knows


def main(arguments: list[str] | None = None) -> int:
    """Write the list of a stage; return 0, or 1 after an error that the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m svp_core.tuning", description=__doc__)
    parser.add_argument("stage", choices=["first", "again", "final"])
    parser.add_argument("study", type=Path, help="tasks, families of settings, spaces (YAML)")
    parser.add_argument("--directory", type=Path, default=Path("results/tuning"))
    count = "take the first trials of every family only, where not all were run"
    parser.add_argument("--trials", type=int, help=count)
    given = parser.parse_args(arguments)
    try:
        study = yaml.safe_load(given.study.read_text())
        study["trials"] = given.trials or study["trials"]
        runs = {"first": first, "again": again, "final": final}[given.stage](study, given.directory)
        lines = [json.dumps(line(run, given.stage)) + "\n" for run in runs]
    except (ConfigError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    path = given.directory / f"{given.stage}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write("".join(lines).encode()))
    print(f"{path}: {len(lines)} runs")
    return 0


def line(run: dict, stage: str) -> dict:
    """Return a run and its files, as svp_core.batch reads them; raises ConfigError."""
    config = resolve(run)
    images = config["recipe"]["train_images"]
    name = "{dataset}/{model}/{method}/{variant}".format(**config) + f"/{images}/{config['seed']}"
    return {
        "run": run,
        "output": f"{stage}/{name}.json",
        "checkpoint": f"checkpoints/{stage}/{name}.pt",
        "log": f"logs/{stage}/{name}.log",
    }


def families(study: Mapping) -> Iterator[tuple[str, str, dict, dict]]:
    """Yield task, family, its run without seed, and its space: paths of options to their values."""
    for task, settings in study["tasks"].items():
        dataset, _, model = task.partition("/")
        for name, family in settings["families"].items():
            run = {"dataset": dataset, "model": model, "method": family["method"]}
            run |= {"variant": name, "model_options": dict(settings["model"]), "metrics": []}
            run |= {"recipe": dict(settings["recipe"])}
            run |= {"method_options": dict(family.get("options", {}))}
            drawn = settings.get("space", {}) | family.get("space", {})
            yield task, name, run, family.get("listed", drawn)


def first(study: Mapping, folder: Path) -> list[dict]:
    """Return as many trials of every family, drawn at random; the families take turns."""
    drawn = [
        [run | {"seed": study["seeds"][0]} for run in trials(run, space, study["trials"], name)]
        for _, name, run, space in families(study)
    ]
    return [run for turn in zip(*drawn, strict=True) for run in turn]


def trials(run: dict, space: Mapping | list, count: int, family: str) -> list[dict]:
    """Return different draws from the space, the same in every call, or those of a list.

    Raises ConfigError where there are fewer.
    """
    if isinstance(space, list):
        space = space[:count]
        numbered = enumerate(changed(run, one) for one in space)
        found = [one | {"variant": f"{family}.{number:02d}"} for number, one in numbered]
        if len(found) < count:
            raise ConfigError(f"{family}.listed: {len(found)} of {count} trials")
        return found
    task = f"{run['dataset']}/{run['model']}"
    generator, found = random.Random(derive(0, "trials", task, family)), {}
    for _ in range(100 * count):
        chosen = {path: generator.choice(values) for path, values in space.items()}
        trial = changed(run, chosen)
        found.setdefault(json.dumps(trial, sort_keys=True), trial)
        if len(found) == count:
            numbered = enumerate(found.values())
            return [one | {"variant": f"{family}.{number:02d}"} for number, one in numbered]
    raise ConfigError(f"{task}.{family}.space: fewer than {count} different settings")


def changed(run: dict, values: Mapping) -> dict:
    """Return the run with options given by paths such as recipe.lr."""
    result = deepcopy(run)
    for path, value in values.items():
        key, _, name = path.partition(".")
        result[key][name] = value
    return result


def again(study: Mapping, folder: Path) -> list[dict]:
    """Return the best trials of every family with the other seeds."""
    ranked = ranking(study, folder, study["seeds"][:1], study["trials"])
    best = [one for trials in ranked.values() for _, _, one in trials[: study["finalists"]]]
    return [run | {"seed": seed} for seed in study["seeds"][1:] for run in best]


def final(study: Mapping, folder: Path) -> list[dict]:
    """Return the chosen settings on the test images, with the seeds and sizes of the study.

    The choice is written to chosen.yaml beside them.
    """
    ranked = ranking(study, folder, study["seeds"], study["finalists"])
    best = {key: trials[0] for key, trials in ranked.items()}
    chosen: dict = {}
    for (task, family), (accuracy, rule, run) in best.items():
        result = {"validation_accuracy": round(accuracy, 2), "trial": run["variant"]}
        settings = {key: run[key] for key in ("model_options", "method_options", "recipe")}
        chosen.setdefault(task, {})[family] = result | {"inference": rule} | settings
    text = yaml.safe_dump(chosen, sort_keys=False)
    write_atomically(folder / "chosen.yaml", lambda file: file.write(text.encode()))
    named = {
        (task, name): family.get("variant", name)
        for task, settings in study["tasks"].items()
        for name, family in settings["families"].items()
    }
    return [run for part in study["final"] for run in finals(part, best, named)]


def finals(part: Mapping, best: Mapping, named: Mapping) -> Iterator[dict]:
    """Yield the runs of one part: task, families, sizes of the training set, seeds."""
    for size in part["train_images"]:
        for family in part["families"]:
            _, rule, run = best[part["task"], family]
            run = deepcopy(run) | {"variant": named[part["task"], family]}
            run["recipe"] |= {"train_images": size, "validation_images": None}
            if rule:
                own, change = run["method_options"], {"inference": rule}
                run["method_options"] = options.merged("methods", run["method"], own, change)
            for seed in range(part["seeds"]):
                yield run | {"seed": seed, "metrics": ["nll", "ece"]}


def ranking(study: Mapping, folder: Path, seeds: list[int], least: int) -> dict:
    """Return by task and family the trials that have all seeds, the best first.

    Each is its mean accuracy, its best rule of inference (None for one prediction only), its run.
    Raises ConfigError where fewer than `least` trials have all seeds.
    """
    found: dict[tuple[str, str, str], dict[int, dict]] = {}
    for stage in ("first", "again"):
        for path in (folder / stage).rglob("*.json"):
            record = json.loads(path.read_text())
            config = record["config"]
            family, _, number = config["variant"].rpartition(".")
            key = f"{config['dataset']}/{config['model']}", family, config["variant"]
            if int(number) < study["trials"]:
                found.setdefault(key, {})[config["seed"]] = record
    ranked = {(task, name): [] for task, name, _, _ in families(study)}
    for (task, family, _), records in found.items():
        if (task, family) in ranked and set(seeds) <= set(records):
            ranked[task, family].append(judged([records[seed] for seed in seeds]))
    for (task, family), trials in ranked.items():
        trials.sort(key=lambda one: -one[0])
        if len(trials) < least:
            raise ConfigError(f"{folder}: {task} {family}: {len(trials)} of {least} trials")
    return ranked


def judged(records: list[dict]) -> tuple[float, str | None, dict]:
    """Return the mean accuracy of one setting by its best rule, that rule, and its run."""
    config = records[0]["config"]
    rules = [rule for rule in RULES if f"accuracy_{rule}" in records[0]["metrics"]]
    scores = {
        rule: mean(one["metrics"].get(f"accuracy_{rule}", 0.0) for one in records) for rule in rules
    } or {None: mean(one["test_accuracy"] or 0.0 for one in records)}
    best = max(scores, key=scores.get)
    return scores[best], best, {key: value for key, value in config.items() if key != "seed"}


if __name__ == "__main__":
    sys.exit(main())
