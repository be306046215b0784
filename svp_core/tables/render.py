"""Tables for readers, in Markdown and in LaTeX, of the same cells."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

NONE = "–"
LONG = 40  # letters of a cell from which on its column is wrapped in LaTeX
ESCAPED = {one: f"\\{one}" for one in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
}
NUMBER = re.compile(r"[-+±~]?\d[\d,.e+-]*( %)?|–|")


@dataclass(frozen=True)
class Section:
    """A table with its title and what is to be said below it; without a header, that alone."""

    title: str
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    note: str = ""


def estimate(row: Mapping, name: str, low: str, high: str, sign: str = "") -> str:
    """Format "mean [low, high]", without what is not available."""
    if pd.isna(row[name]):
        return NONE
    text = f"{row[name]:{sign}.2f}"
    return text if pd.isna(row[low]) else f"{text} [{row[low]:{sign}.2f}, {row[high]:{sign}.2f}]"


def markdown(header: list[str], rows: Iterable[list[str]]) -> str:
    """A Markdown table with columns aligned in the source, too."""
    cells = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def as_markdown(sections: list[Section]) -> str:
    """Sections below each other; a single one without its title."""
    parts = []
    for one in sections:
        table = [markdown(one.header, one.rows)] if one.header else []
        title = [f"## {one.title}\n"] if len(sections) > 1 else []
        parts.append("\n".join([*title, *table, *([one.note] if one.note else [])]))
    return "\n".join(parts)


def as_latex(sections: list[Section]) -> str:
    """Sections as tables of the package booktabs, to be read by \\input."""
    head = "% needs \\usepackage{booktabs}\n"
    return head + "\n".join(latex_table(one) for one in sections if one.header)


def latex_table(section: Section) -> str:
    """One table, its note in its caption."""
    columns = zip(*section.rows, strict=True) if section.rows else [[]] * len(section.header)
    kinds = list(map(column_type, columns))
    # those that are wrapped share what the others leave
    places = "".join(kinds).replace("p", rf"p{{{0.7 / max(kinds.count('p'), 1):.2f}\linewidth}}")
    lines = [" & ".join(map(escape, cells)) + r" \\" for cells in [section.header, *section.rows]]
    caption = " ".join(f"{section.title}. {section.note}".split())
    return "\n".join(
        [
            r"\begin{table*}",
            r"\centering\footnotesize",
            rf"\caption{{{escape(caption)}}}",
            rf"\begin{{tabular}}{{{places}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def column_type(cells: Iterable[str]) -> str:
    """Right for numbers, wrapped for long text, else left."""
    cells = [cell.replace("**", "") for cell in cells]
    if all(map(NUMBER.fullmatch, cells)):
        return "r"
    return "p" if max(map(len, cells)) > LONG else "l"


def escape(text: str) -> str:
    """Text as LaTeX prints it; **bold** and `code` as such."""
    text = "".join(ESCAPED.get(letter, letter) for letter in text)
    text = re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", text)
    return re.sub(r"`(.+?)`", r"\\texttt{\1}", text)


def files(stem: Path, sections: list[Section]) -> dict[Path, bytes]:
    """The contents of stem.md and stem.tex."""
    texts = {".md": as_markdown(sections), ".tex": as_latex(sections)}
    return {stem.with_suffix(suffix): text.encode() for suffix, text in texts.items()}
