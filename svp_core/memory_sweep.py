"""Memory of a training step against depth, on tensors that have sizes but no contents.

python -m svp_core.memory_sweep model=mlp depth=[2,4,8] method=[bp,svp] --output memory.json
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from svp_core import memory, methods, models
from svp_core.config import checked, options, resolve_sweep, schema
from svp_core.files import OutputError, write_atomically
from svp_core.settings import ConfigError, parse_pairs


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend."""
    parser = argparse.ArgumentParser(
        prog="python -m svp_core.memory_sweep",
        description="Simulate training steps and write their memory by kind, method and depth.",
        epilog="Keys, ranges, defaults and meanings: $defs.memory in svp_core/run.schema.yaml.",
    )
    parser.add_argument("settings", nargs="+", metavar="KEY=VALUE", help="such as depth=[2,4,8]")
    parser.add_argument("--output", type=Path, required=True, help="record to write (JSON)")
    given = parser.parse_args(arguments)
    try:
        sweep = resolve_sweep(parse_pairs(given.settings))
        text = json.dumps({"torch_version": torch.__version__, "rows": measure(sweep)}, indent=1)
        write_atomically(given.output, lambda file: file.write(f"{text}\n".encode()))
    except (ConfigError, OutputError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def measure(sweep: dict) -> list[dict]:
    """Return one row a method and depth: bytes by kind, as in the table `memory`."""
    rows = []
    for method in sweep["method"]:
        for depth in sweep["depth"]:
            sizes = simulate(sweep, method, depth)
            rows.append(
                {"model": sweep["model"], "method": method, "depth": depth}
                | {"batch_size": sweep["batch_size"], "source": "simulated"}
                | {f"{kind}_bytes": size for kind, size in sizes.items()}
            )
            print(f"{method} depth {depth}: {sizes['total'] / 2**20:.1f} MiB", flush=True)
    return rows


def simulate(sweep: dict, method: str, depth: int) -> dict[str, int]:
    """Return bytes by kind of one step; nothing is computed, so any size fits any machine."""
    sizes = options("model", sweep["model"], sweep["model_options"] | {"depth": depth})
    image_shape, classes, batch_size = sweep["image_shape"], sweep["classes"], sweep["batch_size"]
    settings = options("method", method, {})
    recipe = checked({}, schema()["$defs"]["recipe"], "recipe.")
    with FakeTensorMode():
        model = models.build(sweep["model"], image_shape, sizes, seed=0)
        trained = methods.build(method, model, classes, settings, recipe, seed=0)
        images = torch.zeros(batch_size, *image_shape)
        labels = torch.zeros(batch_size, dtype=torch.long)
        return memory.measure_step(trained, images, labels)


if __name__ == "__main__":
    sys.exit(main())
