"""The sections of the report, each a pure function of tables, records and texts."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import yaml

from svp_core.claims import ALL, CLAIMS
from workflow.reporting import runs as planned_runs
from workflow.reporting.page import (
    Cell,
    Section,
    Table,
    cell,
    number,
    of_frame,
    of_markdown,
    picture,
)

TEXTS = yaml.safe_load((Path(__file__).parent / "words.yaml").read_text())
SHOWN = 50  # logs of runs that did not complete


def claims(table: pd.DataFrame, figures: Iterable[str]) -> Section:
    """The verdicts: of whole claims first, then of every measurement and cell."""
    shown = set(figures)

    def figure(path: object) -> Cell:
        name = Path(path).name if isinstance(path, str) else ""
        return Cell(name, link=f"figure-{name}" if name in shown else "")

    def texts(row: pd.Series, names: list[str]) -> list[Cell]:
        return [cell(row[name]) for name in names]

    whole = [
        [verdict(row["verdict"]), cell(f"{row['claim']}: {CLAIMS[row['claim']]['text']}"),
         cell(row["reason"]), figure(row["figure"])]
        for _, row in table[table["measurement"] == ALL].iterrows()
    ]  # fmt: skip
    rules = [
        (row["claim"], row["measurement"], row["rule"])
        for _, row in table.drop_duplicates(["claim", "measurement"]).iterrows()
        if row["measurement"] != ALL
    ]
    parts = [
        [verdict(row["verdict"]), *texts(row, ["claim", "measurement", "cell"]), *estimate(row),
         *texts(row, ["n", "p", "reason"]), figure(row["figure"])]
        for _, row in table[table["measurement"] != ALL].iterrows()
    ]  # fmt: skip
    header = "verdict claim measurement cell estimate interval margin n p why figure".split()
    return Section(
        "claims",
        "Claims",
        [TEXTS["claims"]],
        [
            Table("Claims and questions", ["verdict", "claim", "why", "figure"], whole),
            Table("By measurement and cell", header, parts),
            listing("The rules", ["claim", "measurement", "rule"], rules),
        ],
    )


def verdict(text: str) -> Cell:
    """A verdict, coloured and in words."""
    return Cell(text, verdict=text.replace(" ", "-"))


def estimate(row: pd.Series) -> list[Cell]:
    """Estimate, interval and margin of a row of claims."""
    ends = [row["low"], row["high"]]
    interval = "" if pd.isna(ends).any() else f"[{number(ends[0])}, {number(ends[1])}]"
    return [cell(row["estimate"]), Cell(interval), cell(row["margin"])]


def figures(pictures: Mapping[Path, tuple[str, list[str]]]) -> Section:
    """Every figure: by path its title and the paragraphs of its caption."""
    shown = [picture(path, *said) for path, said in pictures.items()]
    return Section("figures", "Figures", figures=shown)


def tables(texts: Mapping[str, str]) -> Section:
    """The summaries for readers as sortable tables, by title."""
    text = "Press a column's name to sort by it. The files lie in results/tables."
    shown = [table for title, body in texts.items() for table in of_markdown(body, title)]
    return Section("tables", "Tables", [text], shown)


def status(rows: list[dict]) -> Section:
    """What became of every planned run; logs of those that did not complete."""
    counts = planned_runs.totals(rows)
    said = ", ".join(f"{counts[one]} {one}" for one in planned_runs.STATUSES)
    shown = pd.DataFrame(
        [{name: row.get(name) for name in [*planned_runs.NAME, *RUN_COLUMNS]} for row in rows]
    ).rename(columns={"test_accuracy": "test accuracy (%)", "seconds": "training (s)"})
    failed = [row for row in rows if row["status"] != "completed"]
    logs = [(title(row), row.get("end") or why(row)) for row in failed[:SHOWN]]
    more = f" Of {len(failed)} that did not complete the first {SHOWN} are listed."
    text = f"{len(rows)} planned: {said}." + more * (len(failed) > SHOWN)
    return Section("runs", "Runs", [text], [of_frame(shown, "Every planned run")], listings=logs)


RUN_COLUMNS = ["status", "test_accuracy", "epochs", "seconds", "node", "finished_at"]


def title(row: Mapping) -> str:
    return "/".join(str(row[name]) for name in planned_runs.NAME) + f" {row['status']}"


def why(row: Mapping) -> str:
    """What is known of a run without lines of a log."""
    if row["status"] == "diverged":
        return f"A loss was not finite in epoch {row['epochs'] + 1} of {row['planned_epochs']}."
    return f"No log: {row['log']}"


def cost(rows: list[dict]) -> Section:
    """What the whole grid took."""
    found = planned_runs.totals(rows)
    said = {
        "trainings with a record": found["completed"] + found["diverged"],
        "training time, summed (hours)": found["seconds"] / 3600,
        "floating-point operations": found["flops"],
        "largest peak memory of a step (MiB)": found["memory"] and found["memory"] / 2**20,
        "energy (kJ)": found["joules"] and found["joules"] / 1000,
        "first started": found["started_at"],
        "last finished": found["finished_at"],
    }
    known = [[Cell(name), cell(value)] for name, value in said.items() if value is not None]
    text = [] if found["joules"] else ["Energy was not measured: no counter was there."]
    return Section("cost", "Cost of the grid", text, [Table("All runs", ["what", "value"], known)])


def surroundings(rows: list[dict], packages: Mapping[str, str]) -> Section:
    """Hardware and software that made the records, and the software that made this report."""
    made = {
        "Hardware": ["device", "threads", "node"],
        "Software": ["python", "torch", "git_commit", "git_dirty"],
    }
    shown = [
        listing(title, [*names, "runs"], planned_runs.distinct(rows, *names))
        for title, names in made.items()
    ]
    title = "Tables, figures and report were made by"
    shown.append(listing(title, ["package", "version"], packages.items()))
    return Section("surroundings", "Software and hardware", [], shown)


def listing(title: str, header: list[str], rows: Iterable[tuple]) -> Table:
    """A table of plain values."""
    names = [name.replace("_", " ") for name in header]
    return Table(title, names, [list(map(cell, row)) for row in rows])


def origin(command: str, config: Mapping) -> Section:
    """The command and the config that make it again."""
    listings = [
        ("Command", command),
        ("Config, all of it", yaml.safe_dump(dict(config), sort_keys=False, width=100)),
    ]
    return Section("origin", "Make it again", listings=listings)


def glossary() -> Section:
    """The words of the report."""
    return Section("glossary", "Glossary", words=list(TEXTS["glossary"].items()))


def ours() -> Section:
    """What is the paper's and what is not."""
    return Section("ours", "What is the paper's, and what is not", TEXTS["ours"])
