"""A failed run of the workflow ends with the lines that matter."""

import pytest

from workflow import failures

JOB = """\
[Thu Nov 26 06:52:22 2026]
Error in {kind} {rule}:
    message: None
    jobid: 19
    input: a.py, b.py
    output: {output}, other.pdf
    log: {log} (check log file(s) for error details)
    shell:
        "$PYTHON" -m svp_core.train recipe.lr=1
        (command exited with non-zero exit code)
"""


@pytest.fixture
def log(tmp_path):
    def write(*jobs) -> str:
        text = "Select jobs to execute...\nRuleException:\n"
        for kind, rule, output, lines in jobs:
            path = tmp_path / f"{output}.log"
            if lines is not None:
                path.write_text(lines)
            text += JOB.format(kind=kind, rule=rule, output=output, log=path)
        (tmp_path / "snakemake.log").write_text(text + "Exiting because a job failed\n")
        return failures.summary(tmp_path / "snakemake.log")

    return write


def test_the_last_line_of_every_failed_job_is_shown(log, tmp_path):
    trace = "epoch 1\nTraceback (most recent call last):\nRuntimeError: no memory\n\n"
    said = log(
        ("rule", "train", "0.json", trace),
        ("localrule", "draw", "a.png", ""),
        ("localrule", "draw", "b.png", None),
    )
    assert said.splitlines() == [
        "3 jobs failed:",
        "  0.json: RuntimeError: no memory",
        f"    {tmp_path}/0.json.log",
        "  a.png: its log is empty",
        f"    {tmp_path}/a.png.log",
        "  b.png: no log was written",
        f"    {tmp_path}/b.png.log",
    ]


def test_a_job_that_was_tried_again_stands_once(log):
    assert log(*[("rule", "train", "0.json", "killed\n")] * 4).splitlines()[0] == "1 job failed:"


def test_thousands_of_failures_stay_few_lines(log, tmp_path):
    said = log(*[("rule", "train", f"{i}.json", "x" * 9999) for i in range(30)]).splitlines()
    assert len(said) == 22 and max(map(len, said)) < 300
    assert said[-1] == f"  and 20 more: {tmp_path}/snakemake.log"


def test_a_run_that_stopped_for_another_reason_says_nothing_more(log, tmp_path):
    assert log() == failures.summary(tmp_path / "missing.log") == ""
