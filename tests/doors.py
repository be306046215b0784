"""What every door is tried with: values that are surely wrong, and what must come of them."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from hypothesis import strategies as st

NOT_FINITE = [float("inf"), float("-inf"), float("nan"), 10**400]
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
WRONG = {
    "number": st.sampled_from([*NOT_FINITE, True, None, "fast", "1e-3", [1.0], {}]),
    "integer": st.sampled_from([*NOT_FINITE, True, "64", 64.0, 1.5, 2**63, [1], {}]),
    "boolean": st.sampled_from([0, 1, "yes", None, [], 1.0]),
    "string": st.sampled_from([0, 1.5, True, None, [], {}]),
    "array": st.sampled_from(["flip", 1, None, {}, [[]], [{}]]),
    "object": st.sampled_from(["x", 1, None, [], True, 0.5]),
}


def wrong(rules: dict) -> st.SearchStrategy:
    """Values that a schema of an option does not allow."""
    if "enum" in rules:
        return st.one_of(WRONG["string"], TEXTS).filter(lambda value: value not in rules["enum"])
    kinds = rules["type"] if isinstance(rules["type"], list) else [rules["type"]]
    found = WRONG[kinds[0]].filter(lambda value: value is not None or "null" not in kinds)
    if "minimum" in rules:
        found |= st.integers(max_value=rules["minimum"] - 1)
    if "maximum" in rules:
        found |= st.integers(min_value=rules["maximum"] + 1)
    return found


def require_line(message: str, *names: str) -> None:
    """One line, no traceback, that says which key or file it is about."""
    assert message.strip() and "\n" not in message.strip(), message
    assert "Traceback" not in message and len(message) < 2000
    assert not names or any(name in message for name in names), (message, names)


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def refused(main, arguments: list[str]) -> str:
    """What a command prints that must not start."""
    errors = io.StringIO()
    with redirect_stderr(errors), redirect_stdout(io.StringIO()):
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = ended.code
    assert code in (1, 2), (code, arguments)
    return errors.getvalue()
