"""Collect the records of memory measurements into memory.csv."""

import argparse
from pathlib import Path

from workflow.scripts import tables

COLUMNS = [name for name in tables.columns("memory") if name != "torch_version"]
PARTS = COLUMNS[COLUMNS.index("parameters_bytes") : COLUMNS.index("total_bytes")]
ROW = ["model", "method", "depth", "batch_size"]


def cell_schema(column: str) -> dict:
    """JSON schema of a cell: text, or a number that is not negative."""
    kind = tables.json_type(column)
    return {"type": kind} | ({"minimum": 0} if kind == "integer" else {})


SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["torch_version", "rows"],
    "properties": {
        "torch_version": {"type": "string"},
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": COLUMNS,
                "properties": {name: cell_schema(name) for name in COLUMNS},
            },
        },
    },
}


def read_rows(path: str) -> list[dict]:
    """The rows of a record; refuse one whose parts are not its total."""
    record = tables.read_record(path, SCHEMA)
    for index, row in enumerate(record["rows"]):
        parts = sum(row[name] for name in PARTS)
        if parts != row["total_bytes"]:
            raise tables.TableError(
                f"{path}: rows[{index}].total_bytes: {row['total_bytes']} is not "
                f"the sum of its parts, {parts}"
            )
    return [row | {"torch_version": record["torch_version"]} for row in record["rows"]]


@tables.exit_on_error()
def main(arguments: list[str] | None = None) -> None:
    """Validate every record, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="+", metavar="RECORD", help="JSON record of memory")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args(arguments)

    rows = [row for path in options.records for row in read_rows(path)]
    memory = tables.from_rows(rows, "memory", ROW)
    for name in memory[memory.duplicated(ROW)][ROW].itertuples(index=False):
        raise tables.TableError(f"memory: two rows of {', '.join(map(str, name))}")
    tables.write({options.output_dir / "memory.csv": tables.csv_bytes(memory)})


if __name__ == "__main__":
    main()
