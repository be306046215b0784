"""Summarise all records below folders, tuning trials too: a row a setting, in Markdown and CSV.

python -m workflow.scripts.trials results/runs --csv trials.csv > trials.md
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from svp_core import tables
from svp_core.config.filling import filled
from svp_core.config.pairs import ConfigError
from svp_core.records import RecordError, read_run
from svp_core.tables.contract import as_text
from svp_core.tables.records import refuse_mixed_data, settings
from svp_core.tables.statistics import interval
from workflow.scripts.collect_ablation import short_names

# metrics that some records have
INFERENCES = ["accuracy_last", "accuracy_mean", "accuracy_stacked"]
COSTS = {  # by the column that relates them to the baseline's
    "relative_memory": "tensor_bytes",
    "relative_activations": "activation_bytes",
    "relative_flops": "train_flops",
    "relative_seconds": "train_seconds",
}
# settings that make tasks of a dataset and model
TASK = ("model_options.", "recipe.train_images", "recipe.validation_images", "recipe.epochs")
READ = ("model_options.pool", "model_options.grid")  # which are no sizes
DIFFERENCE = ("difference", "difference_low", "difference_high")
NAMES = [*tables.TASK, "method", "accuracy_of"]
OWNERS = {"model_options": "model", "method_options": "method"}
NULL, EVERY = "null", "all"
NOTE = """\
n: completed trainings, one a seed. trials: settings of the method that were tried on the task: the
dataset, the model, its sizes, images and epochs. Memory, FLOPs, seconds and the difference, paired
by seed and in percentage points, relate to that setting of {baseline} on the task which has the
highest mean accuracy, among those of most seeds. Square brackets: 95 % Student t interval.
"""


def records(folders: list[Path], keep_stale: bool) -> pd.DataFrame:
    """One row a training, the last of equal ones; what is no record is named and left out."""
    rows, known, data = [], {}, {}
    for path in sorted({path for folder in folders for path in Path(folder).rglob("*.json")}):
        try:
            record = read_run(path)
        except (OSError, RecordError) as error:
            reason = str(error).removeprefix(f"{path}: ")
            print(f"warning: {path} is no record of a run: {reason}", file=sys.stderr)
            continue
        if not keep_stale:
            refuse_mixed_data(str(path), record, data)
        rows.append(row(record, known))
    if not rows:
        raise tables.TableError(f"{', '.join(map(str, folders))}: no records of runs")
    # those of a setting that was trained by older code, or copied, stand several times
    frame = pd.DataFrame(rows).sort_values("finished_at", kind="stable")
    kept = frame.drop_duplicates(["setting", "seed"], keep="last").reset_index(drop=True)
    if count := len(frame) - len(kept):
        print(f"warning: {count} older records of equal runs left out", file=sys.stderr)
    return kept


def row(record: dict, known: dict[str, dict]) -> dict:
    """What a record says of its run; `known` keeps settings that were filled in before."""
    config, metrics = record["config"], record["metrics"]
    text = json.dumps({key: one for key, one in config.items() if key not in ("seed", "variant")})
    if text not in known:
        known[text] = flat(config)
    held_out = config["recipe"].get("validation_images")
    names = {name: config[name] for name in (*tables.TASK, "method")}
    names["accuracy_of"] = "validation" if held_out else "test"
    found = {name: metrics.get(name) for name in INFERENCES}
    found |= {"accuracy": record["test_accuracy"], "completed": record["status"] == "completed"}
    found |= {name: record[name] for name in COSTS.values()}
    found["setting"] = json.dumps([*names.values(), known[text]])
    found |= {"seed": config["seed"], "finished_at": record["provenance"]["finished_at"]}
    return names | found | known[text]


def flat(config: dict) -> dict[str, str]:
    """Settings by path as text, with defaults of options that were added since the record."""
    try:
        config = config | filled(config)
    except (ConfigError, OSError):
        pass  # options of other code: as they were written
    found = sorted(settings({"config": config}).items())
    return {path: (as_text(value) or NULL).removesuffix(".0") for path, value in found}  # 4.0 is 4


def setting_columns(frame: pd.DataFrame) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Settings that differ between runs, and constant ones by what they belong to.

    A size is compared between runs of one model, an option between those of one method.
    """
    varied, constant = [], {}
    for path in (name for name in frame if "." in name):
        owner = OWNERS.get(path.split(".")[0])
        present = frame[frame[path].notna()]
        groups = dict(list(present.groupby(owner)[path])) if owner else {EVERY: present[path]}
        if any(values.nunique() > 1 for values in groups.values()):
            varied.append(path)
        else:
            for name, values in groups.items():
                constant.setdefault(name, {})[path] = values.iloc[0]
    return sorted(varied), constant


def summarise(frame: pd.DataFrame, varied: list[str], baseline: str) -> pd.DataFrame:
    """One row a setting, by task and falling accuracy."""
    sizes = [path for path in varied if path.startswith(TASK) and path not in READ]
    task = [*tables.TASK, "accuracy_of", *sizes]
    groups = frame.groupby(task, sort=False, dropna=False)
    rows = (one for _, group in groups for one in task_rows(group, varied, baseline))
    # the key of the table, for which the rows have to be sorted first
    table = tables.from_rows((one | {"place": n} for n, one in enumerate(rows)), "trials")
    ascending = [True] * len(task) + [False]
    table = table.sort_values([*task, "accuracy"], ascending=ascending, ignore_index=True)
    return table.assign(place=table.groupby(tables.TASK).cumcount() + 1)


def task_rows(group: pd.DataFrame, varied: list[str], baseline: str) -> list[dict]:
    """The rows of a task, related to the best setting of the baseline."""
    trials = group.groupby("method")["setting"].nunique()
    completed = group[group["completed"]]
    of_baseline = completed[completed["method"] == baseline]
    means = of_baseline.groupby("setting")["accuracy"].agg(["count", "mean"])
    order = means.sort_values(["count", "mean"]).index  # a lucky seed alone is not the best
    best = of_baseline[of_baseline["setting"] == order[-1]] if len(order) else None
    return [
        setting_row(runs, varied, best) | {"trials": int(trials[runs["method"].iloc[0]])}
        for _, runs in group.groupby("setting", sort=False)
    ]


def setting_row(runs: pd.DataFrame, varied: list[str], best: pd.DataFrame | None) -> dict:
    """The row of one setting beside the runs of the baseline."""
    first, completed = runs.iloc[0], runs[runs["completed"]]
    given = {path: first[path] for path in varied if first[path] != NULL}
    values = dict(zip(("accuracy", "low", "high"), interval(completed["accuracy"]), strict=True))
    values |= {name: completed[name].astype(float).mean() for name in INFERENCES}
    values |= {"n": len(completed), "diverged": len(runs) - len(completed)}
    if best is not None:
        values |= {name: completed[of].mean() / best[of].mean() for name, of in COSTS.items()}
        if first["setting"] != best["setting"].iloc[0]:
            accuracies, others = (one.set_index("seed")["accuracy"] for one in (completed, best))
            values |= dict(zip(DIFFERENCE, interval(accuracies - others), strict=True))
    return first[NAMES].to_dict() | given | values


def markdown(table: pd.DataFrame, varied: list[str], baseline: str) -> str:
    """The table for readers."""
    kinds, further = table["accuracy_of"].unique(), table[INFERENCES].dropna(axis=1, how="all")
    names = [*tables.TASK, "method", *varied, "trials", "n", "diverged"]
    names += ["accuracy_of"] if len(kinds) > 1 else []
    short = short_names(varied, "trials")
    header = [short.get(name, name).replace("_", " ") for name in [*names, "accuracy", *further]]
    header[len(names)] = " ".join([*(kinds if len(kinds) == 1 else []), "accuracy (%)"])
    header += [f"difference to {baseline}", "memory", "activations", "FLOPs", "seconds"]
    lines = [
        [*(shown(one[name]) for name in names), tables.estimate(one, "accuracy", "low", "high")]
        + [shown(one[rule], ".2f") for rule in further]
        + [
            tables.estimate(one, *DIFFERENCE, sign="+"),
            *(shown(one[cost], ".3f") for cost in COSTS),
        ]
        for _, one in table.iterrows()
    ]
    return tables.markdown(header, lines) + "\n" + NOTE.format(baseline=baseline)


def shown(value: object, form: str = "g") -> str:
    """A cell for readers."""
    text = f"{value:{form}}" if isinstance(value, float) else str(value)
    return "–" if pd.isna(value) else text


def stated(constant: dict[str, dict[str, str]]) -> str:
    """What all runs have in common, and those of a model or method, in a line each."""
    text = "Settings that do not differ:\n\n"
    for name, found in sorted(constant.items(), key=lambda item: (item[0] != EVERY, item[0])):
        words = (f"{path.rpartition('.')[2]} {one}" for path, one in found.items())
        text += f"- {name}: {', '.join(words)}\n"
    return text + "\n"


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Print the table in Markdown, and write it as CSV where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of records")
    parser.add_argument("--baseline", default="bp", metavar="METHOD", help="to compare with")
    parser.add_argument("--csv", type=Path, help="table to write")
    kept = "take runs of a dataset that were trained on different files, too"
    parser.add_argument("--keep-stale", action="store_true", help=kept)
    options = parser.parse_args(arguments)

    varied, constant = setting_columns(frame := records(options.folders, options.keep_stale))
    table = summarise(frame, varied, options.baseline)
    if options.csv:
        tables.write({options.csv: tables.csv_bytes(table)})
    print(stated(constant) + markdown(table, varied, options.baseline))


if __name__ == "__main__":
    main()
