"""Time of a training step, methods side by side: A-B-A-B, so that a drift of the machine meets all.

python -m svp_core.bench step --model mlp --depth 3 --width 1000 --batch 128 --methods bp svp
"""

import argparse
import json
import sys

import torch

from svp_core.config.pairs import parse_pairs
from svp_core.cost import cells
from svp_core.cost.build import build, random_batch
from svp_core.cost.measure import interleave, quartiles, rounds, time_ratios
from svp_core.graphs import stepper
from svp_core.runtime import commands
from svp_core.runtime.device import device_name, prepare


@commands.command()
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend."""
    given = parse_arguments(arguments)
    prepare(given.threads)
    chosen = [describe(spec, given) for spec in given.methods]
    trained = [build(cell).place(given.device) for cell in chosen]
    batch = [part.to(given.device) for part in random_batch(chosen[0])]
    takes = [stepper(method) for method in trained]
    report(given, interleave(trained, takes, *batch, given.warm_up, given.steps))
    return 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = commands.Parser(prog="python -m svp_core.bench", description=__doc__)
    step = parser.add_subparsers(dest="quantity", required=True).add_parser("step")
    add_sizes(step)
    step.add_argument(
        "--methods", nargs="+", default=["bp", "svp"], metavar="METHOD[:KEY=VALUE...]",
        help="such as svp:d0=128:readout=shared or bp:recipe.micro_batches=4; ratios are to the"
        " first",
    )  # fmt: skip
    step.add_argument("--steps", type=rounds, default=50, help="timed steps a method (50)")
    warm_up = {"type": commands.integer(0), "default": 5}
    step.add_argument("--warm-up", **warm_up, help="untimed steps before them (5)")
    commands.add_device(step)
    commands.add_threads(step)
    return parser.parse_args(arguments)


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """Add a model and the sizes of what it is trained on."""
    parser.add_argument("--model", required=True, help="such as mlp, or vit:patch=4:heads=3")
    parser.add_argument("--depth", type=int)
    parser.add_argument("--width", type=int)
    parser.add_argument("--batch", type=int, default=128, help="images a step (128)")
    parser.add_argument("--image-size", type=int, default=28, help="pixels a side (28)")
    parser.add_argument("--channels", type=int, default=1, help="of an image (1)")
    parser.add_argument("--classes", type=int, default=10)


def describe(spec: str, given: argparse.Namespace) -> dict:
    """Return the cell of a method as `svp:d0=128` describes it; raises ConfigError."""
    (model, *sizes), (method, *pairs) = given.model.split(":"), spec.split(":")
    lengths = {key: getattr(given, key) for key in ("depth", "width")}
    lengths = {key: length for key, length in lengths.items() if length is not None}
    settings = parse_pairs(pairs)
    recipe = settings.pop("recipe", {})
    config = {
        "name": model,
        "model": model,
        "model_options": parse_pairs(sizes) | lengths,
        "sweeps": [{}],
        "series": [{"method": method, "method_options": settings, "recipe": recipe}],
    } | {key: getattr(given, key) for key in ("batch", "image_size", "channels", "classes")}
    ((cell,),) = cells.points(cells.resolve(config))
    return cell


def report(given: argparse.Namespace, seconds: list[list[float]]) -> None:
    """Print medians, and as the last line their JSON; a ratio is the median of round by round."""
    results = []
    for spec, times in zip(given.methods, seconds, strict=True):
        low, median, high = quartiles("seconds", times).values()
        low_ratio, ratio, high_ratio = time_ratios(times, seconds[0]).values()
        result = {"method": spec, "seconds": median, "quartiles": [low, high]}
        results.append(result | {"ratio": ratio, "ratio_quartiles": [low_ratio, high_ratio]})
        print(
            f"{spec}: {1e3 * median:.2f} ms [{1e3 * low:.2f}, {1e3 * high:.2f}],"
            f" {ratio:.3f} [{low_ratio:.3f}, {high_ratio:.3f}] of {given.methods[0]}"
        )
    where = {"device": device_name(given.device), "threads": given.threads}
    print(json.dumps(vars(given) | where | {"torch": torch.__version__, "results": results}))


if __name__ == "__main__":
    sys.exit(main())
