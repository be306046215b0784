"""Judge the claims of a file by tables: claims.csv, claims.md and claims.tex."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from svp_core import claims, tables
from svp_core.claims.rules import FOLDER
from svp_core.tables.derived import ends, final, parse_targets, targets

NOTE = """\
An estimate is that of a mean difference at equal seeds, or of a ratio, as the rule in claims.csv
says. Square brackets: 90 % interval of the mean, which agrees with one-sided tests at 5 %; of
ratios of a step the range over sizes; of exponents 95 %. p: of the test that decides, adjusted by
Holm over cells. Verdicts follow from rules that were set beforehand, svp_core/claims/claims.yaml.
"""
HEADER = ["claim", "measurement", "cell", "estimate", "supported", "n", "p", "verdict", "because"]


def read(path: Path) -> tuple[str, pd.DataFrame]:
    """A table by the name of its file; one that is not in the glossary is that of an ablation."""
    name = path.stem
    return name, tables.read(path, name if name in tables.GLOSSARY else "ablation")


def with_derived(found: dict[str, pd.DataFrame], accuracies: Mapping) -> dict[str, pd.DataFrame]:
    """The tables, and those that follow from them."""
    if {"runs", "curves"} <= set(found):
        found = found | {"targets": targets(found["runs"], found["curves"], accuracies)}
    if "metrics" in found:
        found = found | {"ends": ends(found["metrics"])}
    # measured unit by unit, epoch by epoch
    inner = [name for name, table in found.items() if {"unit", "effective_rank"} <= set(table)]
    return found | {name: final(found[name]) for name in inner}


def sections(judged: pd.DataFrame, texts: Mapping[str, Mapping]) -> list[tables.Section]:
    """The verdicts on whole claims, and what they rest on, both in the order of the rules."""
    first, second = [], []
    for name, claim in texts.items():
        of_claim = judged[judged["claim"] == name]
        (whole,) = of_claim[of_claim["measurement"] == claims.ALL].to_dict("records")
        verdict = f"**{whole['verdict']}**"
        first.append([name, claim["text"], verdict, shown(whole["reason"])])
        for rule in claim["measurements"]:
            cells = of_claim[of_claim["measurement"] == rule["name"]]
            is_last = cells["cell"] == claims.OVERALL
            second += map(line, pd.concat([cells[~is_last], cells[is_last]]).to_dict("records"))
    return [
        tables.Section("Claims", ["claim", "what", "verdict", "because"], first),
        tables.Section("Measurements", HEADER, second, NOTE),
    ]


def line(row: dict) -> list[str]:
    """One cell of a measurement for readers."""
    estimate = tables.estimate(row, "estimate", "low", "high")
    names = [row["claim"], row["measurement"], row["cell"], estimate, shown(row["margin"])]
    counts = [shown(row["n"]), shown(row["p"], ".3f")]
    return [*names, *counts, row["verdict"], shown(row["reason"])]


def shown(value: object, form: str = "") -> str:
    """A cell for readers."""
    return "–" if pd.isna(value) or value == "" else f"{value:{form}}"


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Judge by the tables that there are; those that a rule lacks are said to be untested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", type=Path, help="such as runs.csv and alignment.csv")
    parser.add_argument("--claims", type=Path, default=FOLDER / "claims.yaml", help="rules (YAML)")
    parser.add_argument("--target", action="append", default=[], metavar="DATASET=PERCENT")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    rules = claims.load(options.claims)
    found = with_derived(dict(map(read, options.tables)), parse_targets(options.target))
    judged = claims.judge(rules, found)
    stem = options.output_dir / "claims"
    texts = tables.files(stem, sections(judged, rules))
    tables.write({stem.with_suffix(".csv"): tables.csv_bytes(judged)} | texts)


if __name__ == "__main__":
    main()
