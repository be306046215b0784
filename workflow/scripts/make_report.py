"""Make the report of what was run, claimed, drawn and measured: one HTML file, read offline."""

import argparse
import importlib.metadata
import json
import platform
from pathlib import Path

from svp_core import planned, tables
from workflow import libraries
from workflow.reporting import page, sections
from workflow.reporting import runs as planned_runs

TABLES = {"summary": "Test accuracy", "cost": "Cost of a training step"}  # .md: their titles
PACKAGES = ["svp-suite", "snakemake", "torch", "numpy", "pandas", "scipy", "matplotlib", "seaborn"]


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--planned", type=Path, required=True, help="every run, a line of JSON")
    parser.add_argument("--tables", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--figures", type=Path, nargs="*", default=[], help="PNG files")
    parser.add_argument("--config", type=Path, required=True, help="the whole config, JSON")
    parser.add_argument("--command", required=True, help="that makes the same results")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args(arguments)


def caption(path: Path) -> tuple[str, list[str]]:
    """Title of a figure, and its caption: what it asks, what one sees, what is drawn."""
    kind = path.stem if (libraries.SUITE / f"figures/{path.stem}.py").is_file() else "ablation"
    asked, _, drawn = libraries.docstring(f"figures/{kind}.py").partition("\n\n")
    said = page.text_of(path)
    paragraphs = [asked, *said["Description"].splitlines(), drawn, said["Comment"]]
    title = path.stem.replace("_", " ").capitalize()
    return title, [" ".join(one.split()) for one in paragraphs if one]


def versions() -> dict[str, str]:
    """Versions of what made tables, figures and report."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def about(config: dict, rows: list[dict]) -> tuple[str, list[str]]:
    """The sentence below the title, and what a reader has to know first."""
    counts = planned_runs.totals(rows)
    grid = {axis: ", ".join(map(str, config["grid"][axis])) for axis in planned_runs.AXES}
    text = "Datasets {dataset}; models {model}; methods {method}; seeds {seed}.".format(**grid)
    when = f" Trained from {counts['started_at']} to {counts['finished_at']}."
    text += when if counts["started_at"] else " Nothing was trained yet."
    warned = {
        "missing": "{} of {} planned runs have no record: what follows is not the whole grid.",
        "diverged": "{} of {} runs diverged; they are in no mean.",
    }
    return text, [
        said.format(counts[one], len(rows)) for one, said in warned.items() if counts[one]
    ]


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Read everything, write one page."""
    given = parse_arguments(arguments)
    config = json.loads(given.config.read_text())
    rows = list(planned_runs.statuses(planned.read(given.planned)))
    texts = {title: (given.tables / f"{name}.md").read_text() for name, title in TABLES.items()}
    claims = tables.read(given.tables / "claims.csv", "claims")
    parts = [
        sections.claims(claims, [path.stem for path in given.figures]),
        sections.figures({path: caption(path) for path in given.figures}),
        sections.tables(texts),
        sections.status(rows),
        sections.cost(rows),
        sections.surroundings(rows, versions()),
        sections.ours(),
        sections.glossary(),
        sections.origin(given.command, config),
    ]
    title = "Stochastic Variational Propagation, measured"
    text = page.render(title, *about(config, rows), parts)
    tables.write({given.output: text.encode()})


if __name__ == "__main__":
    main()
