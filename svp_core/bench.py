"""Time of a training step, methods side by side: A-B-A-B, so that a drift of the machine meets all.

python -m svp_core.bench step --model mlp --depth 3 --width 1000 --batch 128 --methods bp svp
"""

import argparse
import json
import sys
from statistics import quantiles

import torch

from svp_core import methods, models
from svp_core.config import checked, options, schema
from svp_core.cpus import available_cpus
from svp_core.epochs import clock
from svp_core.record import device_name
from svp_core.settings import ConfigError, parse_pairs
from svp_core.train import prepare


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend."""
    given = parse_arguments(arguments)
    prepare(given.threads)
    try:
        trained = [build(spec, given) for spec in given.methods]
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    report(given, interleave(trained, given))
    return 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m svp_core.bench", description=__doc__)
    step = parser.add_subparsers(dest="quantity", required=True).add_parser("step")
    step.add_argument("--model", required=True, help="such as mlp, or vit:patch=4:heads=3")
    step.add_argument("--depth", type=int)
    step.add_argument("--width", type=int)
    step.add_argument("--batch", type=int, default=128, help="images a step (128)")
    step.add_argument("--image-shape", type=int, nargs=3, default=[1, 28, 28], metavar="N")
    step.add_argument("--classes", type=int, default=10)
    step.add_argument(
        "--methods", nargs="+", default=["bp", "svp"], metavar="METHOD[:KEY=VALUE...]",
        help="such as svp:d0=128:readout=shared; ratios are to the first",
    )  # fmt: skip
    step.add_argument("--steps", type=int, default=50, help="timed steps a method (50)")
    step.add_argument("--warm-up", type=int, default=5, help="untimed steps before them (5)")
    step.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    step.add_argument("--threads", type=int, default=available_cpus(), help="CPU threads")
    given = parser.parse_args(arguments)
    if given.steps < 2:
        parser.error("--steps: quartiles need at least 2")
    return given


def build(spec: str, given: argparse.Namespace) -> methods.Method:
    """Return a method as `svp:d0=128` describes it, on the device; raises ConfigError."""
    name, *pairs = spec.split(":")
    model_name, *sizes = given.model.split(":")
    lengths = {key: getattr(given, key) for key in ("depth", "width") if getattr(given, key)}
    model_options = options("model", model_name, parse_pairs(sizes) | lengths)
    method_options = options("method", name, parse_pairs(pairs))
    recipe = checked({}, schema()["$defs"]["recipe"], "recipe.")
    model = models.build(model_name, given.image_shape, model_options, seed=0)
    trained = methods.build(name, model, given.classes, method_options, recipe, seed=0)
    return trained.to(given.device)


def interleave(trained: list[methods.Method], given: argparse.Namespace) -> list[list[float]]:
    """Return the seconds of every timed step, a list a method, in the order of the rounds."""
    device, generator = torch.device(given.device), torch.Generator().manual_seed(0)
    images = torch.randn(given.batch, *given.image_shape, generator=generator).to(device)
    labels = torch.randint(given.classes, (given.batch,), generator=generator).to(device)
    seconds: list[list[float]] = [[] for _ in trained]
    for turn in range(given.warm_up + given.steps):
        for method, times in zip(trained, seconds, strict=True):
            start = clock(device)
            method.step(images, labels)
            if turn >= given.warm_up:
                times.append(clock(device) - start)
    return seconds


def report(given: argparse.Namespace, seconds: list[list[float]]) -> None:
    """Print medians, and as the last line their JSON; a ratio is the median of round by round."""
    results = []
    for spec, times in zip(given.methods, seconds, strict=True):
        low, median, high = quantiles(times, n=4)
        ratios = [one / unit for one, unit in zip(times, seconds[0], strict=True)]
        ratio = quantiles(ratios, n=4)
        result = {"method": spec, "seconds": median, "quartiles": [low, high]}
        results.append(result | {"ratio": ratio[1], "ratio_quartiles": [ratio[0], ratio[2]]})
        print(
            f"{spec}: {1e3 * median:.2f} ms [{1e3 * low:.2f}, {1e3 * high:.2f}],"
            f" {ratio[1]:.3f} [{ratio[0]:.3f}, {ratio[2]:.3f}] of {given.methods[0]}"
        )
    where = {"device": device_name(torch.device(given.device)), "threads": given.threads}
    print(json.dumps(vars(given) | where | {"torch": torch.__version__, "results": results}))


if __name__ == "__main__":
    sys.exit(main())
