"""Tables for readers have the same cells in Markdown and in LaTeX."""

import re

import pytest

from svp_core.tables import Section, estimate, files
from svp_core.tables.render import as_latex, as_markdown, escape

ROWS = [["local_lda", "**+5.1 %**", "98.1 [97, 99]", "3"], ["bp", "–", "–", "12"]]
SECTION = Section("A & B", ["method", "by", "accuracy (%)", "n"], ROWS, "n: `seeds`.\n")


def markdown_cells(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def latex_cells(text: str) -> list[list[str]]:
    lines = [line.removesuffix(r" \\") for line in text.splitlines() if line.endswith(r" \\")]
    return [re.split(r" (?<!\\)& ", line) for line in lines]


def test_cells_are_the_same_in_both():
    cells = markdown_cells(as_markdown([SECTION]))
    assert cells == [SECTION.header, *ROWS]
    assert latex_cells(as_latex([SECTION])) == [list(map(escape, row)) for row in cells]


def test_latex_is_a_table_of_booktabs():
    text = as_latex([SECTION])
    for name in ("table*", "tabular"):
        assert text.count(f"\\begin{{{name}}}") == text.count(f"\\end{{{name}}}") == 1
    assert text.startswith("% needs \\usepackage{booktabs}\n")
    rules = [text.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")]
    assert rules == sorted(rules)
    assert r"\caption{A \& B. n: \texttt{seeds}.}" in text
    assert r"\begin{tabular}{lrlr}" in text  # numbers to the right
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("50 % of $x_1 & #2", r"50 \% of \$x\_1 \& \#2"),
        ("a\\b~c^d", r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d"),
        ("**bold** – 2 < 3 × 1", r"\textbf{bold} -- 2 \textless{} 3 $\times$ 1"),
    ],
)
def test_what_latex_would_misread_is_escaped(text, written):
    assert escape(text) == written


def test_long_cells_are_wrapped():
    long = Section("x", ["a", "b"], [["word " * 20, "word " * 20]])
    assert r"\begin{tabular}{p{0.35\linewidth}p{0.35\linewidth}}" in as_latex([long])


def test_a_section_without_a_table_says_why_in_markdown():
    found = as_markdown([SECTION, Section("Empty", note="Not here.\n")])
    assert found.startswith("## A & B\n\n| method") and found.endswith("## Empty\n\nNot here.\n")
    assert as_latex([Section("Empty", note="Not here.\n")]).count("tabular") == 0


def test_files_stand_side_by_side(tmp_path):
    names = {path.name for path in files(tmp_path / "cost", [SECTION])}
    assert names == {"cost.md", "cost.tex"}


def test_an_estimate_leaves_out_what_is_not_available():
    row = {"mean": 1.0, "low": None, "high": None}
    assert estimate(row, "mean", "low", "high", sign="+") == "+1.00"
    assert estimate(row | {"low": 0.5, "high": 2}, "mean", "low", "high") == "1.00 [0.50, 2.00]"
    assert estimate({"mean": None}, "mean", "low", "high") == "–"
