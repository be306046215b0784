"""The report says what was run, claimed, drawn and measured, whatever is missing, in one file."""

import json
import re
from contextlib import chdir
from html.parser import HTMLParser
from pathlib import Path

import made_costs
import pytest
from builders import completed, diverged

from figures import accuracy, unit_accuracy
from svp_core import planned, tables
from workflow.reporting import page
from workflow.scripts import (
    collect_runs,
    judge_claims,
    make_report,
    summarise,
    summarise_cost,
)

VOID = {"meta", "img", "br"}


class Document(HTMLParser):
    """What a page holds: its text, headings, images and links; refuses tags that do not nest."""

    def __init__(self, text: str):
        super().__init__()
        self.source, self.open, self.found, self.words = text, [], [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def of(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.found if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Make the report of some records; of those planned some may be missing."""

    def make(records: list[dict], missing: list[dict] = (), logs: dict | None = None) -> Document:
        tmp_path = tmp_path_factory.mktemp("report")
        with chdir(tmp_path):
            return made(tmp_path, records, missing, logs or {})

    return make


def made(tmp_path: Path, records: list[dict], missing: list[dict], logs: dict) -> Document:
    """Write records and logs, make tables, figures and report, and read it."""
    lines = []
    for record in [*records, *missing]:
        run = record["config"]
        path = tmp_path / "results/runs/{dataset}-{model}-{method}-{seed}.json".format(**run)
        path.parent.mkdir(parents=True, exist_ok=True)
        if record in records:
            path.write_text(json.dumps(record))
        lines.append({"record": str(path), "run": run, "source_hash": "0123456789ab"})
    planned.write("all.jsonl", lines)
    for name, text in logs.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    make_tables(tmp_path, [line["record"] for line in lines[: len(records)]])
    return Document((tmp_path / "report.html").read_text())


def make_tables(folder: Path, records: list[str]) -> None:
    """Tables, two figures and the report, as the rules make them."""
    collect_runs.main([*records, "--output-dir", "tables"])
    summarise.main(["tables/runs.csv", "--baseline", "bp", "--output-dir", "tables"])
    cost = made_costs.cost_table(made_costs.COST)
    (folder / "tables/cost.csv").write_bytes(tables.csv_bytes(cost))
    summarise_cost.main(["tables/cost.csv", "--output-dir", "tables"])
    judged = [f"tables/{name}.csv" for name in ("runs", "curves", "metrics", "cost", "slopes")]
    judge_claims.main([*judged, "--output-dir", "tables"])
    accuracy.main(
        ["tables/runs.csv", "tables/summary.csv", "--png", "accuracy.png", "--pdf", "a.pdf"]
    )
    unit_accuracy.main(["tables/metrics.csv", "--png", "unit_accuracy.png", "--pdf", "u.pdf"])
    grid = {"dataset": ["mnist"], "model": ["mlp"], "method": ["bp", "svp"], "seed": [0]}
    (folder / "config.json").write_text(json.dumps({"grid": grid}))
    arguments = ["--planned", "all.jsonl", "--tables", "tables", "--config", "config.json"]
    arguments += ["--figures", "accuracy.png", "unit_accuracy.png"]
    make_report.main([*arguments, "--command", "snakemake --cores all", "--output", "report.html"])


def grid(seeds: int = 5) -> list[dict]:
    """bp and svp with some seeds, svp half a point worse."""
    return [completed([90.0 + seed / 10], method="bp", seed=seed) for seed in range(seeds)] + [
        completed([70.0, 89.5 + seed / 10], method="svp", seed=seed) for seed in range(seeds)
    ]


@pytest.fixture(scope="module")
def document(report) -> Document:
    """The report of a whole grid."""
    return report(grid())


def test_a_whole_grid_is_reported(document):
    assert "10 planned: 10 completed, 0 diverged, 0 missing." in document.text
    assert "claim 1: Accuracy is competitive" in document.text
    assert "MNIST, MLP: BP 90.20; SVP 89.70, -0.50" in document.text  # below the figure
    assert "snakemake --cores all" in document.text and "dataset: - mnist" in document.text
    assert "have no record" not in document.text and "diverged; they" not in document.text


def test_it_opens_offline_and_is_small(document):
    text = document.source
    assert not re.findall(r"""(?:src|href)=["'](?!data:image/png;base64,|#)[^"']*""", text)
    assert "@import" not in text and "url(" not in text
    assert len(text) < 1_000_000


def test_readers_of_screens_get_what_others_see(document):
    pictures = document.of("img")
    assert pictures[0]["alt"].startswith("Test accuracy by model and method")
    assert all(one["alt"] and one["width"] and one["height"] for one in pictures)
    assert document.of("html") == [{"lang": "en"}] and len(document.of("h1")) == 1
    targets = {one["id"] for _, one in document.found if "id" in one}
    assert {one["href"][1:] for one in document.of("a")} <= targets
    assert all(one.get("scope") == "col" for one in document.of("th"))


def test_what_is_missing_is_named_with_the_end_of_its_log(report):
    lost = [completed([1.0], method="svp", seed=9)]
    log = "logs/runs/mnist/mlp/svp/default/9.log"
    document = report(grid(2), lost, {log: "epoch 1\nRuntimeError: no <memory>\n"})
    assert (
        "1 of 5 planned runs have no record: what follows is not the whole grid." in document.text
    )
    assert "mnist/mlp/svp/default/9 missing" in document.text
    assert "RuntimeError: no <memory>" in document.text


def test_one_seed_a_diverged_run_or_no_svp_still_make_a_report(report):
    one = report(grid(1))
    assert "not tested here" in one.text or "undecided" in one.text
    lost = report([*grid(2), diverged(method="svp", seed=5)])
    assert "1 of 5 runs diverged; they are in no mean." in lost.text
    assert "A loss was not finite in epoch" in lost.text
    alone = report([completed([90.0 + seed], method="bp", seed=seed) for seed in range(2)])
    assert "claim 1: Accuracy is competitive" in alone.text and "not tested here" in alone.text


def test_numbers_of_a_summary_are_sortable():
    rows = "| mlp | 98.26 [98.00, 98.52] | 1,200 |\n| cnn | – | 5 |\n"
    text = f"| model | accuracy | n |\n|---|---|---|\n{rows}\nA note.\n"
    [table] = page.of_markdown(text, "Title")
    assert table.caption == "Title. A note." and table.numeric == {1, 2}
    assert [cell.value for cell in table.rows[0]] == [None, 98.26, 1200.0]
    assert page.leading("3x1000") is None and page.leading("**+0.5**") == 0.5
