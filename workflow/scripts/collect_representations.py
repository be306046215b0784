"""Compare the units of runs by their activations: cka.csv, and pca.csv of the lowest seeds."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from svp_core import tables
from svp_core.tables.records import add_arguments, identity, runs_asked_for
from svp_core.tables.representations import linear_cka, principal_coordinates, unpacked

DIGITS = 5  # as good as the half precision that they come from


def grams(path: str, record: dict) -> list[np.ndarray]:
    """The Gram matrices of the units of a record; none if it keeps none."""
    kept = record.get("representations")
    try:
        return [unpacked(text, len(kept["labels"])) for text in kept["grams"]] if kept else []
    except tables.TableError as error:
        raise tables.TableError(f"{path}: {error}") from error


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


def pca_rows(found: dict[tuple, tuple]) -> Iterator[dict]:
    """The rows of every image and unit of the runs of the lowest seed of their series."""
    lowest: dict[tuple, tuple] = {}
    for name, value in found.items():
        series = name[:-1]
        if series not in lowest or name[-1] < lowest[series][0]["seed"]:
            lowest[series] = value
    for run, labels, units in lowest.values():
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

    found = {}
    for path, record in runs_asked_for(options).items():
        if units := grams(path, record):
            run = identity(record)
            found[tuple(run.values())] = run, record["representations"]["labels"], units
    rows = {"cka": cka_rows(found, options.baseline), "pca": pca_rows(found)}
    tables.write(
        {
            options.output_dir / f"{name}.csv": tables.csv_bytes(tables.from_rows(some, name))
            for name, some in rows.items()
        }
    )


if __name__ == "__main__":
    main()
