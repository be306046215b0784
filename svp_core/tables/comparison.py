"""A run of the suite held against another: what agrees, what does not, and what was different."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from scipy import stats

from svp_core.tables.contract import RUN, SERIES, TASK, TableError
from svp_core.tables.statistics import LEVEL, interval

CELL = [*TASK, *SERIES]
NEEDED = {"runs": [*RUN, "status", "test_accuracy"], "summary": [*CELL, "n", "mean", "low", "high"]}
# what may explain a difference, besides settings
ORIGIN = ["source_hash", "git_commit", "data_hash", "python_version", "torch_version"]
ORIGIN += ["device", "threads", "node"]
EQUAL, INSIDE, CLOSE, OUTSIDE = "equal", "inside", "close", "outside"
DIVERGED, NO_INTERVAL = "diverged", "no interval"
NOT_HERE, NOT_THERE = "not here", "not in the reference"
FAILED = (OUTSIDE, DIVERGED)


def read_folder(folder: Path) -> pd.DataFrame:
    """The runs of a folder of tables, or of its subfolder `tables`; else its summary, as text.

    Only the columns that a comparison needs have to be there: other versions have others.
    """
    folder = Path(folder)
    for table, needed in NEEDED.items():
        for path in (folder / f"{table}.csv", folder / "tables" / f"{table}.csv"):
            if path.is_file():
                frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
                if missing := [name for name in needed if name not in frame]:
                    raise TableError(f"{path}: missing column {', '.join(missing)}")
                return frame
    raise TableError(f"{folder}: no runs.csv or summary.csv, nor in {folder / 'tables'}")


def cells(frame: pd.DataFrame) -> dict[tuple, dict]:
    """By dataset, model, method and variant: counts, mean, its interval, accuracies by seed."""
    if "seed" not in frame:  # a summary
        numbers = frame.astype({name: float for name in ("n", "mean", "low", "high")})
        rows = numbers.assign(diverged=numbers.get("diverged", "0")).to_dict("records")
        return {tuple(row[name] for name in CELL): cell_of_summary(row) for row in rows}
    found = {}
    for cell, group in frame.groupby(CELL):
        by_seed = group.set_index("seed")["test_accuracy"].astype(float).dropna()
        mean, low, high = interval(by_seed)
        counts = {"n": len(by_seed), "diverged": int((group["status"] == "diverged").sum())}
        found[cell] = counts | {"mean": mean, "low": low, "high": high, "by_seed": by_seed}
    return found


def cell_of_summary(row: dict) -> dict:
    """A cell of which only the summary is known."""
    counts = {"n": int(row["n"]), "diverged": int(row["diverged"])}
    values = {name: None if pd.isna(row[name]) else row[name] for name in ("mean", "low", "high")}
    return counts | values | {"by_seed": pd.Series(dtype=float)}


def for_new_mean(reference: dict, n: int, level: float) -> tuple[float, float]:
    """Where the mean of n new seeds lies, by the reference's mean and spread."""
    half = (reference["high"] - reference["low"]) / 2
    freedom = reference["n"] - 1
    # of one seed
    deviation = half * reference["n"] ** 0.5 / stats.t.ppf((1 + LEVEL) / 2, freedom)
    reach = stats.t.ppf((1 + level) / 2, freedom) * deviation * (1 / n + 1 / reference["n"]) ** 0.5
    return reference["mean"] - reach, reference["mean"] + reach


def compare(here: pd.DataFrame, reference: pd.DataFrame) -> Iterator[dict]:
    """The rows of the table `comparison`; raises TableError without a cell in common."""
    ours, theirs = cells(here), cells(reference)
    shared = [cell for cell in ours if cell in theirs]
    if not shared:
        raise TableError("no dataset, model, method and variant that both folders have")
    level = 1 - (1 - LEVEL) / len(shared)  # of all cells at once
    for cell in sorted({*ours, *theirs}):
        row = dict(zip(CELL, cell, strict=True))
        row |= {name: ours[cell][name] for name in ("n", "mean") if cell in ours}
        if cell in theirs:
            of_reference = theirs[cell]
            row |= {f"{name}_of_reference": of_reference[name] for name in ("n", "mean")}
            row |= {name: of_reference[name] for name in ("low", "high")}
        if cell in shared:
            yield row | compared(ours[cell], theirs[cell], level)
        else:
            yield row | {"verdict": NOT_THERE if cell in ours else NOT_HERE}


def compared(ours: dict, theirs: dict, level: float) -> dict:
    """What a cell has here beside the reference, and the verdict."""
    pairs = (ours["by_seed"] - theirs["by_seed"]).dropna()
    mean, low, high = interval(pairs)
    row = {"pairs": len(pairs), "equal": int((pairs == 0).sum()), "difference": mean}
    row |= {"difference_low": low, "difference_high": high}
    is_equal = len(pairs) == ours["n"] == theirs["n"] > 0 and bool((pairs == 0).all())
    if ours["diverged"] > theirs["diverged"]:
        return row | {"verdict": DIVERGED}
    if theirs["low"] is None or not ours["n"]:
        return row | {"verdict": EQUAL if is_equal else NO_INTERVAL}
    lowest, highest = for_new_mean(theirs, ours["n"], level)
    is_inside = theirs["low"] <= ours["mean"] <= theirs["high"]
    is_close = lowest <= ours["mean"] <= highest
    verdict = EQUAL if is_equal else INSIDE if is_inside else CLOSE if is_close else OUTSIDE
    return row | {"new_low": lowest, "new_high": highest, "verdict": verdict}


def origins(here: pd.DataFrame, reference: pd.DataFrame) -> Iterator[tuple[str, str, str, list]]:
    """What differs in sources, versions, hardware and settings: name, both values, cells."""
    names = [name for name in here if name in ORIGIN or "." in name]
    sides = [
        frame.reindex(columns=[*CELL, *names]).groupby(CELL)[names].agg(distinct)
        for frame in (here, reference)
    ]
    shared = sides[0].index.intersection(sides[1].index)
    for name in sorted(names, key=lambda name: (name not in ORIGIN, name)):
        if name not in reference:
            continue  # which another version did not write
        found: dict[tuple, list] = {}
        for cell in shared:
            values = tuple(side.loc[cell, name] for side in sides)
            if values[0] != values[1]:
                found.setdefault(values, []).append(cell)
        for (ours, theirs), cells_of in found.items():
            yield name, ours, theirs, [] if len(cells_of) == len(shared) else cells_of


def distinct(values: pd.Series) -> str:
    """The distinct values of a column in words."""
    return " and ".join(sorted(set(values.dropna()))) or "–"
