"""The reference of all options in Markdown: python -m svp_core.config > docs/options.md"""

import ast
import json
from collections.abc import Iterator

from svp_core.config import AXES, SCHEMA, options
from svp_core.runtime.pipes import until_closed

INTRO = """\
# Options

Every setting of a run: its values, default and meaning, as the classes `Options` beside the code
declare them (`python -m svp_core.config > docs/options.md`). A command line has
`model_options.depth=4`, `method_options.scale=4` or `recipe.lr=0.01`; a config has them below
`tasks: dataset/model:` as `model`, the name of the method, and `recipe`; an ablation names options
of a method as they are here, those of a model or recipe after `model_options.` or `recipe.`.
"""
FOLDERS = {
    "models": "Model",
    "methods": "Method",
    "local/projections": "Projection",
    "local/readouts": "Readout",
    "local/alignments": "Alignment",
    "local/auxiliaries": "Auxiliary network",
    "local/targets": "Target",
    "local/inferences": "Inference",
}


@until_closed()
def main() -> None:
    """Print the reference."""
    print(INTRO)
    print("## A run\n")
    print_table(SCHEMA["properties"])
    print("## `recipe`\n")
    print_table(own_schemas("", "recipe"))
    for folder, title in FOLDERS.items():
        for name in options.names(folder):
            print(f"## {title} `{name}`\n\n{first_line(folder, name)}\n")
            print_table(own_schemas(folder, name))
    print("## Metrics\n")
    for name in options.names(AXES["metric"]):
        print(f"- `{name}`: {first_line(AXES['metric'], name)}")


def own_schemas(folder: str, name: str) -> dict[str, dict]:
    """Return the schema of every option of a file, without those of the parts it chooses."""
    return options.schema(options.declared(folder, name))["properties"]


def first_line(folder: str, name: str) -> str:
    """Return the first line of a file's docstring."""
    text = (options.PACKAGE / folder / f"{name}.py").read_text()
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


def print_table(schemas: dict[str, dict]) -> None:
    """Print one row an option, if there are any."""
    if schemas:
        print("| option | values | default | meaning |\n|---|---|---|---|")
        for name, rules in schemas.items():
            shown = "" if "default" not in rules else f"`{written(rules['default'])}`"
            print(f"| `{name}` | {values(rules)} | {shown} | {rules.get('description', '')} |")
        print()


def values(rules: dict) -> str:
    """Return what an option may be, in words."""
    if "enum" in rules:
        return ", ".join(f"`{written(value)}`" for value in rules["enum"])
    kinds = rules["type"] if isinstance(rules["type"], list) else [rules["type"]]
    if "pattern" in rules and "number" in kinds:  # one word in place of a number
        return f"{kinds[0]}{''.join(bounds(rules))}, or `{rules['pattern'].strip('^$')}`"
    items = f" of {values(rules['items'])}" if "items" in rules else ""
    return " or ".join(kinds) + items + "".join(bounds(rules))


def bounds(rules: dict) -> Iterator[str]:
    """Yield the bounds of a number in words."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    for key, sign in signs.items():
        if key in rules:
            yield f", {sign} {rules[key]:.15g}"


def written(value: object) -> str:
    """Return a value as YAML may have it."""
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    main()
