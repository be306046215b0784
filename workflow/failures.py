"""What a failed run of the workflow says at its end: failed jobs, and the last line of each."""

import re
from pathlib import Path

SHOWN = 10  # jobs; a broken grid has thousands
WIDTH = 200
FAILED = re.compile(r"^Error in \w*rule (\S+):\n((?:    .*\n)+)", re.M)


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a log that say something, cut to a width; none where there is no log."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line.rstrip()[:WIDTH] for line in lines if line.strip()][-count:]


def last_line(path: Path) -> str:
    """The last line of a log, or why there is none."""
    if lines := last_lines(path, 1):
        return lines[0].strip()
    return "its log is empty" if path.is_file() else "no log was written"


def failed_jobs(text: str) -> dict[str, str]:
    """From Snakemake's log: the log of every failed job, its rule where it has none, by output."""
    found = {}
    for rule, details in FAILED.findall(text):
        output = re.search(r"^    output: ([^,\n]+?)(?: \(update\))?(?:,|$)", details, re.M)
        log = re.search(r"^    log: (\S+)", details, re.M)
        found[output[1] if output else rule] = log[1] if log else ""
    return found


def summary(log: Path) -> str:
    """Which jobs of this log of Snakemake failed; empty where none did.

    A job that was tried again stands once, with its last log.
    """
    try:
        failed = failed_jobs(log.read_text(errors="replace"))
    except OSError:
        return ""
    lines = [f"{len(failed)} job{'s'[: len(failed) != 1]} failed:"] if failed else []
    for output, path in list(failed.items())[:SHOWN]:
        lines.append(f"  {output}: {last_line(Path(path)) if path else 'see above'}")
        lines += [f"    {path}"] if path else []
    if len(failed) > SHOWN:
        lines.append(f"  and {len(failed) - SHOWN} more: {log}")
    return "\n".join(lines)
