"""Sparse and variational dictionaries of what trained units tell: is the variational one better?

python -m svp_core.sparse_features dataset=digits model=mlp recipe.epochs=20 \
    --methods bp svp --output results/tables/sparse_features.csv

Every method is trained with every seed, here, since records keep no weights. Activations are
centred, and scaled by one number, before a dictionary is made of them.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from svp_core import tables
from svp_core.config import resolve
from svp_core.config.pairs import parse_pairs
from svp_core.data.files import DataError
from svp_core.data.loading import ResidentImages, load_images, subset
from svp_core.features.autoencoders import TopK, Variational, quality, train
from svp_core.methods import Method
from svp_core.runtime import commands
from svp_core.runtime.device import prepare
from svp_core.seeds import derive
from svp_core.training.checkpoint import Saving
from svp_core.training.run import build_method, fit, measure

CPU = torch.device("cpu")
KL_WEIGHTS = (0.01, 0.1)


@commands.command(DataError)
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend."""
    parser = commands.Parser(prog="python -m svp_core.sparse_features", description=__doc__)
    parser.add_argument("settings", nargs="+", help="key=value of a run, without method and seed")
    parser.add_argument("--methods", nargs="+", default=["bp", "svp"], help="bp svp")
    parser.add_argument("--seeds", type=commands.integer(1), default=3, help="of each (3)")
    times = "features a dictionary has for an entry of the activation (4)"
    parser.add_argument("--times", type=commands.integer(1), default=4, help=times)
    steps = "of a dictionary's training (300)"
    parser.add_argument("--steps", type=commands.integer(1), default=300, help=steps)
    parser.add_argument("--output", type=Path, required=True, help="table to write (CSV)")
    commands.add_data_dir(parser)
    given = parser.parse_intermixed_args(arguments)
    prepare(1)
    found = list(rows(given))
    with tables.exit_on_error():
        frame = tables.from_rows(found, "sparse_features")
        tables.write({given.output: tables.csv_bytes(frame)})
    return 0


def rows(given: argparse.Namespace) -> Iterator[dict]:
    """Yield a row a unit, activation and dictionary of every training."""
    shared = parse_pairs(given.settings)
    runs = [
        resolve(shared | {"method": method, "seed": seed})
        for method in given.methods
        for seed in range(given.seeds)
    ]
    for config in runs:
        train_images, test_images = load_images(config, given.data_dir, CPU)
        method = build_method(config, CPU)
        history = {"config": config, "curves": [], "position": None}
        looked_at = subset(test_images, config["metrics_images"])
        look = partial(measure, method, test_images, looked_at)
        fit(method, history, train_images, look, Saving(None, 0))
        place = {key: config[key] for key in ("dataset", "model", "method", "seed")}
        place["test_accuracy"] = history["curves"][-1]["test_accuracy"]
        seen, (new, labels) = activations(method, train_images)[0], activations(method, test_images)
        for (unit, what), values in seen.items():
            torch.manual_seed(derive(config["seed"], "dictionary", unit, what))
            for row in dictionaries(values, new[unit, what], labels, given):
                yield place | {"unit": unit, "activation": what} | row


@torch.no_grad()
def activations(method: Method, images: ResidentImages) -> tuple[dict, Tensor]:
    """Return phi(h) and, where there is one, v of all images by unit and name, and the labels."""
    method.eval()
    ((batch, labels),) = images.in_order(len(images))
    found = {}
    for unit, layer in enumerate(method.layers(batch), start=1):
        found[unit, "h"] = layer.features
        if layer.projected is not None:
            found[unit, "v"] = layer.projected
    return found, labels


def dictionaries(
    seen: Tensor, new: Tensor, labels: Tensor, given: argparse.Namespace
) -> Iterator[dict]:
    """Yield what each kind of dictionary comes to, made of activations seen, judged on new ones."""
    middle = seen.mean(dim=0)
    scale = (seen - middle).square().mean().sqrt()
    seen, new = (seen - middle) / scale, (new - middle) / scale
    width, times = seen.shape[1], given.times
    active = max(4, width // 16)
    sizes = {"width": width, "features": times * width, "active": active}
    makers = {("top_k", None): lambda: TopK(width, times, active)} | {
        ("variational", weight): lambda weight=weight: Variational(width, times, active, weight)
        for weight in KL_WEIGHTS
    }
    for (kind, weight), make in makers.items():
        dictionary = make()
        train(dictionary, seen, given.steps)
        found = quality(dictionary, seen, new, labels)
        yield {"dictionary": kind, "kl_weight": weight} | sizes | found


if __name__ == "__main__":
    sys.exit(main())
