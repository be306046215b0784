"""The row of a record in the table of runs."""

from svp_core.tables.contract import columns
from svp_core.tables.records import identity, settings


def run_row(path: str, record: dict) -> dict:
    """The row of a record in the table of runs."""
    environment, provenance = record["environments"][-1], record["provenance"]
    same = {name: record[name] for name in columns("runs") if name in record}
    return (
        identity(record)
        | settings(record)
        | same
        | {
            "train_loss": record["curves"][-1]["unit_loss"][-1] if record["curves"] else None,
            "device": environment["device"],
            "node": provenance["node"],
            "job": provenance["job"],
            "environments": len(record["environments"]),
            "threads": environment["threads"],
            "python_version": environment["python"],
            "torch_version": environment["torch"],
            "source_hash": provenance["source_hash"],
            "data_hash": provenance["data_hash"],
            "git_commit": provenance["git_commit"],
            "git_dirty": provenance["git_dirty"],
            "record": path,
        }
    )
