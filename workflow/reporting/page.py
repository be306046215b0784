"""The page as data: sections of texts, tables and figures, and their HTML by page.html.j2."""

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import pandas as pd
from PIL import Image

FOLDER = Path(__file__).parent
LONG = 20  # rows
NONE = ("", "–")
DPI = 200  # of the figures, which are shown at their size on paper, 96 pixels an inch


@dataclass
class Cell:
    """What stands in a cell, and what it is sorted by, where that is something else."""

    text: str
    value: float | None = None
    verdict: str = ""  # a class of page.css
    link: str = ""  # an id of the page


@dataclass
class Table:
    """A sortable table."""

    caption: str
    header: list[str]
    rows: list[list[Cell]]

    @property
    def is_long(self) -> bool:
        """Whether it is folded at first."""
        return len(self.rows) > LONG

    @property
    def numeric(self) -> set[int]:
        """The columns that hold numbers only."""
        return {
            place
            for place in range(len(self.header))
            if any(row[place].value is not None for row in self.rows)
            and all(
                row[place].value is not None or row[place].text in ("", "–") for row in self.rows
            )
        }


@dataclass
class Picture:
    """A figure with what it asks, and what one sees."""

    name: str
    title: str
    alt: str
    caption: list[str]
    png: str
    width: int
    height: int


@dataclass
class Section:
    """A part of the page; `listings` are titles with text, `words` terms with their meaning."""

    id: str
    title: str
    texts: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Picture] = field(default_factory=list)
    words: list[tuple[str, str]] = field(default_factory=list)
    listings: list[tuple[str, str]] = field(default_factory=list)


def cell(value: object) -> Cell:
    """A cell of a table: numbers in four digits, nothing where there is nothing."""
    if isinstance(value, Cell):
        return value
    if value is None or value is pd.NA or value != value:
        return Cell("")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Cell(number(value), float(value))
    return Cell(str(value))


def number(value: float) -> str:
    """A number in about four digits, whole ones up to a million in full."""
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:,.4g}" if 1e-3 <= abs(value) < 1e6 else f"{value:.3g}"


def of_frame(frame: pd.DataFrame, caption: str) -> Table:
    """A table of a frame, without columns that are empty."""
    frame = frame.dropna(axis="columns", how="all")
    rows = [[cell(value) for value in row] for row in frame.astype(object).itertuples(index=False)]
    return Table(caption, [name.replace("_", " ") for name in frame], rows)


def of_markdown(text: str, title: str) -> Iterator[Table]:
    """The tables of a summary for readers, each with its title and note, so with its numbers."""
    for part in re.split(r"^## ", f"{title}\n{text}" if text[:1] == "|" else text, flags=re.M):
        name, _, body = part.strip().partition("\n")
        lines = [line for line in body.splitlines() if line.startswith("|")]
        note = " ".join(line for line in body.splitlines() if line and not line.startswith("|"))
        if lines:
            header, _, *rows = [[one.strip() for one in line[1:-1].split(" | ")] for line in lines]
            cells = [[Cell(one.strip("*"), leading(one)) for one in row] for row in rows]
            yield Table(f"{name}. {note}".strip(), header, cells)


def leading(text: str) -> float | None:
    """The number that a cell begins with; none in a name."""
    found = re.match(r"\**([-+]?\d[\d,]*(\.\d+)?)(?=$|\*| |%)", text)
    return float(found[1].replace(",", "")) if found else None


def text_of(path: Path) -> dict[str, str]:
    """What a PNG file says of itself."""
    with Image.open(path) as image:
        return image.text


def picture(path: Path, title: str, caption: list[str]) -> Picture:
    """A figure of a PNG file; its alternative text is what its caption says first and last."""
    content = path.read_bytes()
    with Image.open(path) as image:
        width, height = image.size
    alt = " ".join(dict.fromkeys([caption[0], caption[-1]]))
    size = round(width * 96 / DPI), round(height * 96 / DPI)
    png = base64.b64encode(content).decode()
    return Picture(path.stem, title, alt, caption, png, *size)


def render(title: str, summary: str, warnings: list[str], sections: Iterable[Section]) -> str:
    """The HTML of the page, with everything in it."""
    loader = jinja2.FileSystemLoader(FOLDER)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    files = {kind: (FOLDER / f"page.{kind}").read_text() for kind in ("css", "js")}
    return environment.get_template("page.html.j2").render(
        title=title, summary=summary, warnings=warnings, sections=list(sections), **files
    )
