"""The rules of claims.yaml: read, checked, and put in words."""

from collections.abc import Mapping
from pathlib import Path

import jsonschema
import yaml

from svp_core.tables import TableError

FOLDER = Path(__file__).parent
LEVEL = 0.05  # of every one-sided test; the interval of the mean that agrees with two has 90 %
LEAST = 5  # pairs or repetitions, for a verdict
SCHEMA = yaml.safe_load((FOLDER / "claims.schema.yaml").read_text())
STATISTICS = f"t tests at {100 * LEVEL:g} % a side, Holm over cells, n at least {LEAST}"


def load(path: Path) -> dict[str, dict]:
    """The claims of a file by name; raises TableError, naming the place that is wrong."""
    try:
        claims = yaml.safe_load(Path(path).read_text())
    except yaml.YAMLError as error:
        raise TableError(f"{path}: not YAML: {error}") from error
    validator = jsonschema.Draft202012Validator(SCHEMA)
    if error := jsonschema.exceptions.best_match(validator.iter_errors(claims)):
        place = error.json_path.removeprefix("$").removeprefix(".") or "claims"
        raise TableError(f"{path}: {place}: {error.message}")
    return claims


CLAIMS = load(FOLDER / "claims.yaml")


def refuted(rule: Mapping) -> Mapping:
    """Bounds beyond which a claim is not supported; either of two is enough."""
    opposite = {"above": "below", "below": "above"}
    return rule.get("refuted") or {opposite[side]: at for side, at in rule["supported"].items()}


def bounds_text(bounds: Mapping, word: str = "and") -> str:
    """Bounds in words, such as `above -1 and below 1`."""
    return f" {word} ".join(f"{side} {at:g}" for side, at in bounds.items())


def chosen_text(chosen: Mapping | list) -> str:
    """A side of a comparison in words."""
    if isinstance(chosen, list):
        texts = list(map(chosen_text, chosen))
        return texts[0] if len(texts) == 1 else f"the least of {', '.join(texts)}"
    parts = []
    for name, value in chosen.items():
        if name not in ("method", "variant"):
            parts.append(
                f"{name} {' or '.join(map(str, value))}"
                if isinstance(value, list)
                else f"{name} {value}"
            )
        elif value != "default":
            parts.append(str(value))
    return " ".join(parts)


def rule_text(rule: Mapping) -> str:
    """What is measured, and where it is supported and where not, in one line."""
    if rule["test"] == "none":
        return rule["reason"]
    left, right = (chosen_text(rule[side]) if side in rule else "" for side in ("left", "right"))
    sign = "over" if rule.get("relative") else "minus"
    what = {
        "paired": f"{rule['value']} of {left} {sign} {right} at equal seeds; {STATISTICS}",
        "spread": f"deviation of {rule['value']} over {rule.get('over')}; chi-square tests",
        "ratio": f"{rule['value']} of {left} over {right}, {rule.get('sizes')} of the equal sizes",
        "share": f"part of {rule['value']} in what {right} saves of the total of {left}",
        "slope": f"exponent of {rule['value']} of {left} in depth, with its interval",
        "growth": f"{rule['value']} that a block adds, {left} over {right}",
    }[rule["test"]]
    needed = f"supported {bounds_text(rule['supported'])} in {rule.get('cells', 'every')} cell"
    return f"{what}; {needed}, not supported {bounds_text(refuted(rule), 'or')}"
