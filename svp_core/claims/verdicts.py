"""Verdicts on claims: pure functions of what the tables say."""

from collections.abc import Mapping, Sequence

import pandas as pd

from svp_core import tables
from svp_core.claims.evidence import Evidence, Untested
from svp_core.claims.rules import LEVEL, bounds_text, refuted, rule_text
from svp_core.claims.seeds import paired, spread
from svp_core.claims.steps import growth, ratio, share, slope

SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "undecided"
NOT_TESTED = "not tested here"
OVERALL, ALL = "overall", "all"
TESTS = {one.__name__: one for one in (paired, spread, ratio, share, slope, growth)}
Verdict = tuple[str, str]  # and the reason


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def decide(found: Evidence, support: float, refute: float, rule: Mapping) -> Verdict:
    """The verdict on one cell, by p-values that are adjusted for the others."""
    if found.missing and len(found.missing) >= found.least:
        return NOT_SUPPORTED, f"no value of seeds {spelled(found.missing)}"
    if found.n < found.least:
        return UNDECIDED, f"n = {found.n}, below {found.least}"
    if support < LEVEL and found.missing:
        return UNDECIDED, f"no value of seeds {spelled(found.missing)}"
    if support < LEVEL:
        return SUPPORTED, ""
    if refute < LEVEL:
        return NOT_SUPPORTED, f"is {bounds_text(refuted(rule), 'or')}"
    return UNDECIDED, "the interval leaves both open"


def spelled(values: Sequence) -> str:
    return ", ".join(map(str, values))


def combined(verdicts: Mapping[str, Verdict], needed: str) -> Verdict:
    """The verdict on several cells or measurements, of which every or some one has to hold.

    What is not tested here decides nothing. The reason names what there is of each verdict, unless
    all of them are supported.
    """
    named: dict[str, list[str]] = {}
    for name, (verdict, _) in verdicts.items():
        named.setdefault(verdict, []).append(name)
    tested = set(named) - {NOT_TESTED}
    if not tested:
        return NOT_TESTED, "; ".join(dict.fromkeys(why for _, why in verdicts.values()))
    order = (NOT_SUPPORTED, UNDECIDED, SUPPORTED, NOT_TESTED)
    reasons = [f"{kind}: {'; '.join(named[kind])}" for kind in order if kind in named]
    reason = "" if set(named) == {SUPPORTED} else ". ".join(reasons)
    winner, loser = (SUPPORTED, NOT_SUPPORTED) if needed == "some" else (NOT_SUPPORTED, SUPPORTED)
    if winner in tested:
        return winner, reason
    return (loser if tested == {loser} else UNDECIDED), reason


def measured(rule: Mapping, found: Mapping[str, pd.DataFrame]) -> list[Evidence]:
    """What the tables say on a measurement; raises Untested with the reason if nothing."""
    if rule["test"] == "none":
        raise Untested(rule["reason"])
    table = found.get(rule["table"])
    if table is None:
        raise Untested(f"no table {rule['table']}")
    cells = list(TESTS[rule["test"]](table, rule))
    if not cells:
        raise Untested(f"table {rule['table']} has no rows to compare")
    return cells


def measurement_rows(rule: Mapping, found: Mapping[str, pd.DataFrame]) -> list[dict]:
    """A row a cell, and the last for all of them."""
    common = {"measurement": rule["name"], "rule": rule_text(rule)}
    common["margin"] = bounds_text(rule["supported"]) if "supported" in rule else ""
    try:
        cells = measured(rule, found)
    except Untested as reason:
        return [common | {"cell": OVERALL, "verdict": NOT_TESTED, "reason": str(reason)}]
    enough = [cell for cell in cells if cell.n >= cell.least]
    adjusted = zip(
        *(holm([getattr(c, of) for c in enough]) for of in ("support", "refute")), strict=True
    )
    by_cell = dict(zip((cell.cell for cell in enough), adjusted, strict=True))
    rows, verdicts = [], {}
    for cell in cells:
        p_values = by_cell.get(cell.cell, (1.0, 1.0))
        verdicts[cell.cell] = verdict, reason = decide(cell, *p_values, rule)
        decisive = p_values[verdict == NOT_SUPPORTED]
        row = {name: getattr(cell, name) for name in ("cell", "estimate", "low", "high", "n")}
        row["p"] = None if cell.is_exact or cell.n < cell.least else decisive
        rows.append(common | row | {"verdict": verdict, "reason": reason})
    verdict, reason = combined(verdicts, rule.get("cells", "every"))
    last = {"cell": OVERALL, "n": len(cells), "verdict": verdict, "reason": reason}
    return [*rows, common | last]


def judge(claims: Mapping[str, Mapping], found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The table `claims`: of every claim its measurements, cell by cell, and the whole of it.

    `found` has tables by the names that rules call them; those that are not there are not tested.
    """
    rows = []
    for name, claim in claims.items():
        own = [measurement_rows(rule, found) for rule in claim["measurements"]]
        verdicts = {one[-1]["measurement"]: (one[-1]["verdict"], one[-1]["reason"]) for one in own}
        verdict, reason = combined(verdicts, "every")
        whole = {"measurement": ALL, "cell": OVERALL, "verdict": verdict, "reason": reason}
        whole["rule"] = "every measurement that is tested here is supported"
        rows += [
            row | {"claim": name, "figure": claim["figure"]}
            for row in [*(row for part in own for row in part), whole]
        ]
    return tables.from_rows(rows, "claims")
