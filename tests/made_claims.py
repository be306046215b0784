"""Tables made up so that a rule of the claims says what a test wants."""

import math

import pandas as pd

from svp_core.claims.rules import CLAIMS, refuted

SEEDS = 6
NOISE = [-0.01, 0.01, -0.005, 0.005, 0.002, -0.002]  # by seed, far below every margin
TASK = {"dataset": "digits", "model": "mlp"}
SERIES = {"method": "svp", "variant": "default"}
RULES = [(name, rule) for name, one in CLAIMS.items() for rule in one["measurements"]]
TESTED = [pair for pair in RULES if pair[1]["test"] != "none"]


def aim(rule: dict, wanted: str) -> float:
    """An estimate at which the verdict on a cell is the one that is wanted."""
    bounds = rule["supported"] if wanted == "supported" else refuted(rule)
    is_log = rule.get("relative") or rule["test"] in ("ratio", "growth", "spread")
    if wanted == "supported" and len(bounds) == 2:
        return sum(bounds.values()) / 2
    side, at = next(iter(bounds.items()))
    if wanted == "not supported" and "refuted" in rule:  # which may overlap: away from `supported`
        return at - 1.0 if side == "below" else at + 1.0
    if is_log:
        return at * (2 if side == "above" else 0.5)
    return at + (0.4 if side == "above" else -0.4)


def side(values, place: int = 0) -> dict:
    """One of the alternatives of a side of a rule, without lists."""
    one = values[0] if isinstance(values, list) else values
    return {k: v[place % len(v)] if isinstance(v, list) else v for k, v in one.items()}


def every_side(values) -> list[dict]:
    """All alternatives of a side of a rule."""
    if isinstance(values, list):
        return values
    longest = max([len(v) for v in values.values() if isinstance(v, list)], default=1)
    return [side(values, place) for place in range(longest)]


def table_for(rule: dict, estimate: float, noise: float = 1.0, seeds: int = SEEDS) -> pd.DataFrame:
    """A table in which the measurement of a rule has this estimate in its only cells."""
    return MADE[rule["test"]](rule, estimate, noise, seeds)


def paired(rule, estimate, noise, seeds):
    """Trainings at equal seeds, left away from right by the estimate."""
    by = dict.fromkeys(rule.get("by", []), "x")
    rows = []
    for seed in range(seeds):
        jitter = NOISE[seed % len(NOISE)] * noise
        for which in ("left", "right"):
            value = 50.0 + seed
            if which == "left" and rule.get("relative"):
                value *= estimate * math.exp(jitter)
            elif which == "left":
                value += estimate + jitter
            for one in every_side(rule[which]):
                rows.append(TASK | SERIES | one | by | {"seed": seed, rule["value"]: value})
    return pd.DataFrame(rows)


def spread(rule, estimate, noise, seeds):
    """Repetitions whose standard deviation is the estimate; noise is drowned in it."""
    values = pd.Series(range(seeds if seeds < SEEDS else 60), dtype=float) if noise <= 1 else None
    values = pd.Series(range(5), dtype=float) if values is None else values
    if len(values) > 1:
        values = estimate * (values - values.mean()) / values.std() + 50
    return pd.DataFrame(
        [TASK | {"seed": 0, rule["over"]: i, rule["value"]: v} for i, v in enumerate(values)]
    )


def cost_row(series: dict, quantity: str, value: float) -> dict:
    """A row of the table of cost."""
    sizes = {"depth": 4, "width": 8.0, "batch": 16, "image_size": 28, "d0": None}
    names = {"dataset": None, "model": "mlp", "baseline": "bp", "headline": True}
    return names | series | sizes | {"quantity": quantity, "value": value}


def ratio(rule, estimate, noise, seeds):
    """Steps of one size, left's cost the estimate times right's."""
    values = {"left": 100.0 * estimate, "right": 100.0}
    return pd.DataFrame(
        [
            cost_row(one, rule["value"], values[which])
            for which in values
            for one in every_side(rule[which])
        ]
    )


def share(rule, estimate, noise, seeds):
    """Right saves 100 bytes, of which the estimate is the part of a kind."""
    kinds = {"left": (200.0, 150.0), "right": (100.0, 150.0 - 100 * estimate)}
    return pd.DataFrame(
        [
            cost_row(rule[which], quantity, value)
            for which, values in kinds.items()
            for quantity, value in zip(("total", rule["value"]), values, strict=True)
        ]
    )


def slopes_row(rule, which, **values):
    """A row of the table of slopes."""
    place = {"model": "mlp", "axis": "depth", "quantity": rule["value"], "points": 4}
    return place | rule[which] | values


def slope(rule, estimate, noise, seeds):
    """An exponent, its interval as wide as the noise."""
    half = 0.01 * noise
    ends = {"low": estimate - half, "high": estimate + half, "slope": estimate}
    return pd.DataFrame([slopes_row(rule, "left", **ends)])


def growth(rule, estimate, noise, seeds):
    """What a block adds."""
    rows = [slopes_row(rule, which, growth=g) for which, g in (("left", estimate), ("right", 1.0))]
    return pd.DataFrame(rows)


MADE = {one.__name__: one for one in (paired, spread, ratio, share, slope, growth)}
