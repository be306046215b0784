"""Records as svp_core writes them, made up for tests of tables and figures."""

import json
from pathlib import Path

KINDS = [
    "parameters",
    "buffers",
    "gradients",
    "optimizer",
    "activations_at_peak",
    "data",
    "temporary",
]


def record(**overrides) -> dict:
    """A valid record of a run; overrides of keys of its config go there, of others to the top."""
    config = {
        "dataset": "mnist",
        "model": "mlp",
        "model_options": {"depth": 2, "width": 8},
        "method": "svp",
        "method_options": {},
        "variant": "default",
        "seed": 0,
        "recipe": {"epochs": 2, "batch_size": 64},
    }
    whole = {
        "config": config,
        "status": "completed",
        "curves": [epoch(1, [60.0, 70.0]), epoch(2, [80.0, 90.0])],
        "test_accuracy": 90.0,
        "block_accuracy": [80.0, 90.0],
        "train_seconds": 1.5,
        "epochs": 2,
        "parameters": 1000,
        "peak_memory_bytes": 65536,
        "peak_memory_source": "tensors",
        "environments": [
            {
                "device": "CPU",
                "threads": 1,
                "python": "3.11.7",
                "platform": "Linux",
                "torch": "2.9.0+cpu",
                "numpy": "2.3.0",
            }
        ],
        "provenance": {
            "source_hash": "0123456789ab",
            "data_hash": None,
            "git_commit": None,
            "git_dirty": False,
            "node": "node1",
            "job": None,
            "started_at": "2026-01-01T00:00:00+00:00",
            "finished_at": "2026-01-01T00:00:02+00:00",
        },
    }
    for key, value in overrides.items():
        (config if key in config else whole)[key] = value
    return whole


def epoch(number: int, accuracies: list[float]) -> dict:
    """An entry of the curves, with a loss that falls as the accuracy grows."""
    return {
        "epoch": number,
        "learning_rate": 0.001,
        "block_loss": [2.3 * (1 - accuracy / 100) for accuracy in accuracies],
        "block_accuracy": accuracies,
        "test_accuracy": accuracies[-1],
        "seconds": 0.5,
    }


def completed(accuracies: list[float], epochs: int = 2, **config) -> dict:
    """A record of a completed run that ends at these accuracies of the blocks."""
    curves = [
        epoch(number, [a - (a - 10) * 0.6**number * (number < epochs) for a in accuracies])
        for number in range(1, epochs + 1)
    ]
    ends = {"test_accuracy": accuracies[-1], "block_accuracy": accuracies}
    return record(curves=curves, epochs=epochs, **ends, **config)


def diverged(epochs: int = 1, **config) -> dict:
    """A record of a run whose loss stopped being finite in its last epoch."""
    curves = [epoch(number, [15.0, 20.0]) for number in range(1, epochs + 1)]
    for entry in curves[-1:]:
        entry["block_loss"] = [None, None]
    ends = {"status": "diverged", "test_accuracy": None, "block_accuracy": []}
    return record(curves=curves, epochs=epochs, **ends, **config)


def memory_row(model: str = "mlp", method: str = "svp", depth: int = 2, width: int = 2**18) -> dict:
    """A row of a memory record: saved activations grow with depth for bp only."""
    activations = width * (depth if method == "bp" else 1)
    sizes = [
        width * depth,
        width // 8,
        width * depth,
        2 * width * depth,
        activations,
        width // 4,
        width,
    ]
    return {
        "model": model,
        "method": method,
        "depth": depth,
        "batch_size": 64,
        **{f"{kind}_bytes": size for kind, size in zip(KINDS, sizes, strict=True)},
        "total_bytes": sum(sizes),
        "activations_bytes": activations,
        "source": "simulated",
    }


def write_records(folder: Path, records: list[dict]) -> list[str]:
    """Write records to files; their paths."""
    paths = [folder / f"record_{index}.json" for index in range(len(records))]
    for path, content in zip(paths, records, strict=True):
        path.write_text(json.dumps(content))
    return [str(path) for path in paths]
