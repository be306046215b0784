"""Compare the units of runs by their activations: cka.csv, and pca.csv of the lowest seeds."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from svp_core import tables
from svp_core.records import read
from svp_core.tables.records import add_arguments, identity, runs_asked_for
from svp_core.tables.representations import linear_cka, principal_coordinates, unpacked

DIGITS = 5  # as good as the half precision that they come from


def units(path: str) -> tuple[list[int], list[np.ndarray]]:
    """The labels of the images of a record, and the Gram matrices of its units."""
    kept = read(path, {"type": "object"})["representations"]
    try:
        return kept["labels"], [unpacked(text, len(kept["labels"])) for text in kept["grams"]]
    except tables.TableError as error:
        raise tables.TableError(f"{path}: {error}") from error


def compared(runs: Mapping[str, dict]) -> Iterable[dict[str, dict]]:
    """Runs by their paths, in groups of a task and a seed: no others are compared."""
    groups: dict[tuple, dict] = {}
    for path, run in runs.items():
        groups.setdefault((run["dataset"], run["model"], run["seed"]), {})[path] = run
    return groups.values()


def lowest_seeds(runs: Iterable[dict]) -> set[tuple]:
    """The names of the runs of the lowest seed of every series."""
    found: dict[tuple, int] = {}
    for *series, seed in (run.values() for run in runs):
        found[tuple(series)] = min(seed, found.get(tuple(series), seed))
    return {(*series, seed) for series, seed in found.items()}


def partner(run: dict, found: dict[tuple, tuple], baseline: str) -> tuple | None:
    """The baseline's run of equal seed, and of equal variant if there is one, and its units."""
    for variant in (run["variant"], "default"):
        other = run | {"method": baseline, "variant": variant}
        if tuple(other.values()) in found:
            return found[tuple(other.values())]
    return None


def cka_rows(found: dict[tuple, tuple], baseline: str) -> Iterator[dict]:
    """The rows of the units of every run, compared with each other and with the baseline's."""
    for run, labels, units in found.values():
        others = [(run, labels, units)]
        if run["method"] != baseline and (match := partner(run, found, baseline)):
            others.append(match)
        for other, of_other, theirs in others:
            if of_other != labels:
                continue  # other images
            names = {"other_method": other["method"], "other_variant": other["variant"]}
            for place, one in enumerate(units, 1):
                for at, another in enumerate(theirs, 1):
                    value = round(linear_cka(one, another), DIGITS)
                    yield run | {"unit": place} | names | {"other_unit": at, "cka": value}


def pca_rows(found: Iterable[tuple]) -> Iterator[dict]:
    """The rows of every image and unit of runs."""
    for run, labels, units in found:
        for place, one in enumerate(units, 1):
            coordinates, explained = principal_coordinates(one)
            points = zip(labels, coordinates.round(DIGITS).tolist(), strict=True)
            for image, (label, (first, second)) in enumerate(points, 1):
                yield run | {
                    "unit": place, "image": image, "label": label, "first": first,
                    "second": second, "explained": round(explained, DIGITS),
                }  # fmt: skip


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Validate every record, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "a run")
    parser.add_argument("--baseline", required=True, metavar="METHOD", help="to compare with")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    checked = runs_asked_for(options)
    runs = {path: identity(record) for path, record in checked if record.get("representations")}
    rows = {name: tables.Rows(name) for name in ("cka", "pca")}
    lowest = lowest_seeds(runs.values())
    for group in compared(runs):  # read again, since those of thousands do not fit in memory
        found = {tuple(run.values()): (run, *units(path)) for path, run in group.items()}
        rows["cka"].add(cka_rows(found, options.baseline))
        rows["pca"].add(pca_rows(one for name, one in found.items() if name in lowest))
    tables.write(
        {
            options.output_dir / f"{name}.csv": tables.csv_bytes(some.frame())
            for name, some in rows.items()
        }
    )


if __name__ == "__main__":
    main()
