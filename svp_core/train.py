"""Train one model with one method on one dataset: one resolved config in, one record out.

python -m svp_core.train dataset=digits model=mlp method=svp seed=0 --output run.json
"""

import argparse
import os
import sys
from pathlib import Path

import torch

from svp_core.checkpoint import CheckpointError
from svp_core.config import resolve
from svp_core.cpus import available_cpus, keep_freed_memory
from svp_core.datasets import DataError
from svp_core.files import OutputError
from svp_core.settings import ConfigError, parse_pairs
from svp_core.training import train


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, or 1 after an error that the user can mend."""
    options = parse_arguments(arguments)
    prepare(options.threads)
    try:
        config = resolve(parse_pairs(options.settings))
        device = torch.device(options.device)
        train(config, options.output, options.checkpoint, options.data_dir, device)
    except (ConfigError, CheckpointError, DataError, OutputError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m svp_core.train",
        description="Train one model with one method on one dataset and write its record.",
        epilog="Keys, ranges, defaults and meanings: svp_core/run.schema.yaml.",
    )
    parser.add_argument("settings", nargs="+", metavar="KEY=VALUE", help="such as recipe.lr=0.01")
    parser.add_argument("--output", type=Path, required=True, help="record to write (JSON)")
    parser.add_argument("--checkpoint", type=Path, help="continue from it, renew it every epoch")
    default = Path(os.environ.get("SVP_DATA_DIR", "data"))
    parser.add_argument("--data-dir", type=Path, default=default, help="SVP_DATA_DIR, or data")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=available_cpus(), help="CPU threads")
    return parser.parse_args(arguments)


def prepare(threads: int) -> None:
    """Make equal runs on an equal machine bit-identical, and as fast."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    keep_freed_memory()
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.allow_tf32 = False  # float32 means float32


if __name__ == "__main__":
    sys.exit(main())
